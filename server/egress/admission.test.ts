import { describe, expect, test } from "vitest";
import { classifyAddress } from "./address.ts";
import { admit, reachOf, type Address } from "./admission.ts";
import type { Reach } from "./rules.ts";
import { isLiteral, parseTarget } from "./target.ts";

const FORBIDDEN = [
  "0.0.0.0",
  "0.1.2.3",
  "169.254.169.254",
  "169.254.170.2",
  "169.254.0.1",
  "168.63.129.16",
  "100.100.100.200",
  "192.0.0.1",
  "192.0.2.1",
  "192.88.99.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "239.255.255.250",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::127.0.0.1",
  "::a9fe:a9fe",
  "::ffff:127.0.0.1",
  "::ffff:a9fe:a9fe",
  "::ffff:8.8.8.8",
  "::ffff:0:7f00:1",
  "64:ff9b::7f00:1",
  "64:ff9b:1::1",
  "2002:7f00:1::",
  "2001::1",
  "2001:2::1",
  "2001:db8::1",
  "2001:20::1",
  "3fff::1",
  "5f00::1",
  "100::1",
  "fec0::1",
  "fe80::1",
  "fe80::1%eth0",
  "fd00:ec2::254",
  "ff02::1",
  "4000::1",
  "a000::1",
  "0177.0.0.1",
  "0x7f.1",
  "127.1",
  "2130706433",
  "",
  "localhost",
];
const PRIVATE = [
  "127.0.0.1",
  "127.255.255.254",
  "10.0.0.1",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.1.1",
  "100.64.0.1",
  "::1",
  "fc00::1",
  "fd12::1",
];
const PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450::1"];

describe("classifyAddress", () => {
  test.each(FORBIDDEN)("%s is forbidden", (address) => expect(classifyAddress(address)).toBe("forbidden"));
  test.each(PRIVATE)("%s is private", (address) => expect(classifyAddress(address)).toBe("private"));
  test.each(PUBLIC)("%s is public", (address) => expect(classifyAddress(address)).toBe("public"));
});

describe("parseTarget", () => {
  test.each([
    ["http://example.com/x", "example.com", 80],
    ["https://example.com", "example.com", 443],
    ["HTTP://EXAMPLE.com:8080", "example.com", 8080],
    ["http://[::1]:8/", "::1", 8],
    ["http://127.0.0.1:4600/a?b", "127.0.0.1", 4600],
  ])("reads %s", (text, host, port) => expect(parseTarget(text)).toMatchObject({ host, port }));

  test.each([
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://0/",
    "http://3232235777",
    "http://127.0.0.1./",
    "http:\\\\0x7f.1",
    "http:/127.1",
    "http://１２７.0.0.1/",
    "http://127.0.0.%31/",
    "http://localhost./",
    "http://metadata.google.internal./",
    "http://user@example.com/",
    "http://user:pass@example.com/",
    "http://:pass@example.com/",
    "http://api.example.com@evil.example/",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://example.com/",
    "data:text/plain,x",
    "blob:http://example.com/x",
    "unix:/run/docker.sock",
    "ws://example.com/",
    "javascript:alert(1)",
    "not a url",
    "",
    "http://",
    "//example.com/",
  ])("refuses %j", (text) => {
    expect(() => parseTarget(text)).toThrow(expect.objectContaining({ code: "egress_denied" }));
  });

  test.each([0, 1, 22, 25, 6667])("refuses port %i, which belongs to another protocol", (port) => {
    expect(() => parseTarget(`http://example.com:${port}/`)).toThrow(expect.objectContaining({ reason: "port_not_allowed" }));
  });

  test("knows addresses from names", () => {
    expect(["127.0.0.1", "::1", "example.com"].map(isLiteral)).toEqual([true, true, false]);
  });
});

describe("admit", () => {
  const names: Record<string, string[]> = {
    "public.example": ["8.8.8.8", "2606:4700::1"],
    "inside.example": ["127.0.0.1"],
    "mixed.example": ["10.0.0.5", "8.8.8.8", "169.254.169.254"],
    "metadata.google.internal": ["169.254.169.254"],
    "gpu-box": ["192.168.1.20"],
  };
  const lookup = async (host: string): Promise<Address[]> => {
    const found = names[host];
    if (!found) throw new Error(`ENOTFOUND ${host}`);
    return found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  };
  const to = (host: string, port: number, rule?: Reach) => admit({ host, port, findRule: async () => rule }, lookup);
  const addresses = async (...args: Parameters<typeof to>) => (await to(...args)).map(({ address }) => address);

  test("lets public hosts pass without a rule", async () => {
    expect(await addresses("public.example", 443)).toEqual(["8.8.8.8", "2606:4700::1"]);
    expect(await addresses("8.8.8.8", 8443)).toEqual(["8.8.8.8"]);
  });

  test.each([5432, 6379, 11211, 2375, 10250])("keeps port %i of public hosts closed unless it is registered", async (port) => {
    await expect(to("public.example", port)).rejects.toMatchObject({ code: "egress_denied", reason: "port_not_allowed" });
    expect(await addresses("public.example", port, "public")).toHaveLength(2);
  });

  test.each(PRIVATE)("keeps %s closed until an owner allows it", async (address) => {
    await expect(to(address, 80)).rejects.toMatchObject({ code: "egress_denied", reason: "address_not_allowed" });
    await expect(to(address, 80, "public")).rejects.toMatchObject({ code: "egress_denied" });
    expect(await addresses(address, 80, "private")).toEqual([address]);
  });

  test.each(FORBIDDEN.filter(isLiteral))("never opens %s, whatever was allowed", async (address) => {
    await expect(to(address, 80, "private")).rejects.toMatchObject({ code: "egress_denied", reason: "address_not_allowed" });
  });

  test("refuses a name that leads inside, also one that was public when it was registered", async () => {
    await expect(to("inside.example", 80)).rejects.toMatchObject({ code: "egress_denied" });
    await expect(to("inside.example", 80, "public")).rejects.toMatchObject({ code: "egress_denied" });
    await expect(to("metadata.google.internal", 80, "private")).rejects.toMatchObject({ code: "egress_denied" });
  });

  test("of mixed answers keeps only those that are permitted", async () => {
    expect(await addresses("mixed.example", 80)).toEqual(["8.8.8.8"]);
    expect(await addresses("mixed.example", 5432, "private")).toEqual(["10.0.0.5", "8.8.8.8"]);
  });

  test("passes on that a name does not exist", async () => {
    await expect(to("nowhere.example", 80)).rejects.toThrow("ENOTFOUND");
  });

  test.each([
    ["127.0.0.1", "private"],
    ["gpu-box", "private"],
    ["mixed.example", "private"],
    ["8.8.8.8", "public"],
    ["public.example", "public"],
    ["later.example", "public"],
    ["not-there-yet", "private"],
    ["llm.lan", "private"],
  ])("registering %s opens %s addresses", async (host, reach) => {
    expect(await reachOf(host, lookup)).toBe(reach);
  });

  test.each(["169.254.169.254", "0.0.0.0", "metadata.google.internal", "::ffff:7f00:1"])("does not register %s", async (host) => {
    await expect(reachOf(host, lookup)).rejects.toMatchObject({ code: "egress_denied" });
  });
});
