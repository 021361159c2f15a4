import fastifySwagger from "@fastify/swagger";
import fastifySwaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import { ROUTES } from "#contract/routes.ts";
import { openApiDocument } from "./openapi.ts";

/** `/openapi.json`, and `/docs`: a reference made from it whose page and assets all come from this server. */
export async function serveDocs(app: FastifyInstance, version: string): Promise<void> {
  const document = openApiDocument(Object.values(ROUTES), version);
  const text = JSON.stringify(document);
  app.get("/openapi.json", (_, reply) => reply.type("application/json; charset=utf-8").header("cache-control", "no-cache").send(text));
  await app.register(fastifySwagger, { mode: "static", specification: { document: JSON.parse(text) } });
  await app.register(fastifySwaggerUi, {
    routePrefix: "/docs",
    theme: { title: "Auterity API" },
    uiConfig: { docExpansion: "none", deepLinking: true, syntaxHighlight: false, validatorUrl: null },
  });
}
