import { clsx, type ClassValue } from "clsx";
import { extendTailwindMerge } from "tailwind-merge";

/** Knows our own size and shadow names, so that `text-2xs` is not taken for a colour. */
const merge = extendTailwindMerge({ extend: { theme: { text: ["2xs"], shadow: ["1", "2", "3"] } } });

/** Joins class names; of two that set the same property the later one wins. */
export const cn = (...classes: ClassValue[]): string => merge(clsx(classes));
