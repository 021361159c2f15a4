import { useTranslation } from "react-i18next";
import { CommandLine } from "../../ui/copy-button.tsx";
import { Logo } from "../../ui/logo.tsx";
import { usePageTitle } from "../../ui/page.ts";

export const SignedOutPage = ({ refused }: { refused: boolean }) => {
  const { t } = useTranslation();
  usePageTitle(t("shell.signedOut.title"));
  return (
    <main className="flex min-h-dvh items-center justify-center p-4">
      <div className="panel w-full max-w-md p-7 shadow-2">
        <Logo className="size-11" />
        <h1 className="mt-5 text-xl font-semibold">{t("shell.signedOut.title")}</h1>
        {refused ? (
          <p role="alert" className="mt-3 rounded-lg bg-wait-soft px-3 py-2 text-[0.8125rem] text-wait">
            {t("shell.signedOut.used")}
          </p>
        ) : null}
        <p className="mt-2 mb-4 text-pretty text-ink-2">{t("shell.signedOut.detail")}</p>
        <CommandLine command={t("shell.signedOut.command")} />
        <p className="mt-4 text-[0.8125rem] text-ink-3">{t("shell.signedOut.afterwards")}</p>
      </div>
    </main>
  );
};
