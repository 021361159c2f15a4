import type { ErrorComponentProps } from "@tanstack/react-router";
import { ErrorState } from "../ui/page.ts";

/** A page that broke while it was drawn: the rest of the application stays usable. */
export const PageError = ({ error, reset }: ErrorComponentProps) => <ErrorState isPage error={error} onRetry={reset} />;
