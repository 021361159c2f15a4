import fastifySwagger from "@fastify/swagger";
import fastifySwaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import { ROUTES } from "#contract/routes.ts";
import type { SchemaObject } from "./component-schemas.ts";
import { openApiDocument } from "./openapi.ts";

/**
 * `/openapi.json`, and `/docs`: a reference made from it whose page and assets all come from this server. The document takes
 * longer to make than everything else of a start, so it is made when somebody asks for it.
 */
export async function serveDocs(app: FastifyInstance, version: string): Promise<void> {
  let made: SchemaObject | undefined;
  const document = (): SchemaObject => (made ??= openApiDocument(Object.values(ROUTES), version));
  app.get("/openapi.json", (_, reply) => reply.header("cache-control", "no-cache").send(document()));
  await app.register(fastifySwagger, {
    mode: "static",
    specification: { document: { openapi: "3.1.0", info: { title: "Auterity", version }, paths: {} } },
  });
  await app.register(fastifySwaggerUi, {
    routePrefix: "/docs",
    theme: { title: "Auterity API" },
    transformSpecification: document,
    uiConfig: { layout: "BaseLayout", docExpansion: "list", deepLinking: true, syntaxHighlight: false, validatorUrl: null },
  });
}
