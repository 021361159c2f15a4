/** What every page is made of. */
export { PageHeader, usePageTitle } from "./page-header.tsx";
export { PageSkeleton } from "./page-skeleton.tsx";
export { Pager } from "./pager.tsx";
export { SkeletonRows } from "./skeleton.tsx";
export { EmptyState, ErrorState } from "./states.tsx";
