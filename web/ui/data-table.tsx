import { createColumnHelper, tableFeatures, useTable, type Cell, type ColumnDef, type Header } from "@tanstack/react-table";
import { useState, type ReactNode } from "react";
import { cn } from "./cn.ts";
import { useVirtualRows } from "./virtual.ts";

const features = tableFeatures({});
type Features = typeof features;

/** Defines the columns of a `DataTable`; call it at module level, or in a memo. */
export const columnsFor = <Row extends object>() => createColumnHelper<Features, Row>();

type Props<Row extends object> = {
  label: string;
  rows: Row[];
  rowKey: (row: Row) => string;
  columns: ColumnDef<Features, Row>[];
  /** `grid-cols-*` for a row; the head has the same. Below `sm` the head is hidden and cells place themselves. */
  template: string;
  /** Classes by column id, for cells (and from `sm` on for heads). */
  cellClass: Readonly<Record<string, string>>;
  rowHeight: number;
  end?: ReactNode;
};

/** A table of any length: only the rows in view are drawn, and the page scrolls it. A link in a row may stretch over it. */
export function DataTable<Row extends object>({ label, rows, rowKey, columns, template, cellClass, rowHeight, end }: Props<Row>) {
  const [body, setBody] = useState<HTMLElement | null>(null);
  const table = useTable({ features, columns, data: rows, getRowId: rowKey });
  const head = (header: Header<Features, Row>): ReactNode => (
    <span className="eyebrow">
      <table.FlexRender header={header} />
    </span>
  );
  const content = (cell: Cell<Features, Row>): ReactNode => <table.FlexRender cell={cell} />;
  const shown = table.getRowModel().rows;
  const offset = body?.offsetTop ?? 0;
  const virtual = useVirtualRows({
    count: shown.length,
    getScrollElement: () => body?.closest("main") ?? null,
    estimateSize: () => rowHeight,
    getItemKey: (index) => shown[index]?.id ?? index,
    overscan: 12,
    scrollMargin: offset,
  });
  return (
    <div className="panel overflow-hidden">
      {/* Drawn as blocks and grids, so that rows can be placed one by one; it stays a table to those who hear it. */}
      <table aria-label={label} aria-rowcount={shown.length + 1} className="block">
        <thead className="sr-only sm:not-sr-only sm:block">
          <tr aria-rowindex={1} className={cn("grid h-9 items-center gap-x-4 border-b border-line bg-sunken px-4", template)}>
            {table.getHeaderGroups()[0]?.headers.map((header) => (
              <th key={header.id} scope="col" className={cn("truncate text-left leading-4", cellClass[header.column.id])}>
                {head(header)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={setBody} className="relative block" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = shown[item.index];
            if (!row) return null;
            return (
              <tr
                key={item.key}
                ref={virtual.measureElement}
                data-index={item.index}
                aria-rowindex={item.index + 2}
                style={{ transform: `translateY(${item.start - offset}px)` }}
                className={cn(
                  "absolute inset-x-0 top-0 grid items-center gap-x-4 px-4 py-2.5 transition-colors not-last:border-b hover:bg-hover",
                  template,
                )}
              >
                {row.getAllCells().map((cell) => (
                  <td key={cell.id} className={cn("min-w-0", cellClass[cell.column.id])}>
                    {content(cell)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
      {end}
    </div>
  );
}
