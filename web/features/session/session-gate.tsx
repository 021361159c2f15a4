import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import type { ReactNode } from "react";
import { LiveProvider } from "../../api/live/live-provider.tsx";
import { isSignedOut, meQuery } from "../../api/session.ts";
import { Logo } from "../../ui/logo.tsx";
import { ErrorState } from "../../ui/page.ts";
import type { LinkOutcome } from "./redeem-link.ts";
import { SignedOutPage } from "./signed-out-page.tsx";

/** Shows what is below only to somebody who is signed in; there, who they are is always known. */
export const SessionGate = ({ link, children }: { link: LinkOutcome; children: ReactNode }) => {
  const { t } = useTranslation();
  const me = useQuery(meQuery);
  if (me.data) return <LiveProvider>{children}</LiveProvider>;
  if (me.isPending) {
    return (
      <output className="flex min-h-dvh items-center justify-center">
        <span className="sr-only">{t("common.loading")}</span>
        <Logo className="size-10 animate-breathe" />
      </output>
    );
  }
  if (isSignedOut(me.error)) return <SignedOutPage refused={link === "refused"} />;
  return (
    <main className="flex min-h-dvh items-center">
      <ErrorState isPage error={me.error} onRetry={() => void me.refetch()} />
    </main>
  );
};
