import type { TFunction } from "i18next";
import type { ItemCount } from "../../graph/overlay.ts";

/** How far a container is. Of a loop and a team nobody knows how many rounds or turns are to come. */
export const countText = ({ unit, done, total }: ItemCount, t: TFunction): string =>
  unit === "item" ? t("canvas.items", { done, total }) : t(unit === "round" ? "canvas.rounds" : "canvas.turns", { count: total });
