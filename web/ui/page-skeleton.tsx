import { Skeleton, SkeletonRows } from "./skeleton.tsx";

export const PageSkeleton = () => (
  <div className="flex flex-col gap-6 p-4 sm:p-7">
    <div className="flex flex-col gap-2">
      <Skeleton className="h-7 w-44" />
      <Skeleton className="h-4 w-72 max-w-full" />
    </div>
    <SkeletonRows />
  </div>
);
