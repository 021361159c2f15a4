import { expect, test } from "vitest";
import { addressWith } from "./address-with.ts";

test.each<[string, Record<string, string>, string]>([
  ["https://h.example/mcp", { key: "a" }, "https://h.example/mcp?key=a"],
  ["https://h.example/mcp?", { key: "a" }, "https://h.example/mcp?key=a"],
  ["https://h.example/mcp?a=%20b+c&d", { key: "a", b: "" }, "https://h.example/mcp?a=%20b+c&d&key=a&b="],
  [
    "https://h.example/mcp#f",
    { "a[b]": "a&b=c#d /?+%'(!)*é" },
    "https://h.example/mcp?a%5Bb%5D=a%26b%3Dc%23d%20%2F%3F%2B%25%27%28%21%29%2A%C3%A9#f",
  ],
  ["https://h.example/mcp", { key: "\ud800" }, "https://h.example/mcp?key=%EF%BF%BD"],
  ["https://h.example/mcp?a=1", {}, "https://h.example/mcp?a=1"],
])("%s with %j", (address, query, expected) => expect(addressWith(address, query)).toBe(expected));
