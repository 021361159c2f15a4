import { Link } from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { useTranslation } from "react-i18next";
import { buttonClass } from "../ui/button.tsx";
import { EmptyState, usePageTitle } from "../ui/page.ts";

export const NotFoundPage = () => {
  const { t } = useTranslation();
  usePageTitle(t("common.notFound.title"));
  return (
    <EmptyState isPage icon={<Compass />} title={t("common.notFound.title")} detail={t("common.notFound.detail")}>
      <Link to="/workflows" className={buttonClass({ variant: "primary" })}>
        {t("common.notFound.action")}
      </Link>
    </EmptyState>
  );
};
