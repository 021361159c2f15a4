import ipaddr from "ipaddr.js";

/**
 * `public`: the open internet. `private`: this machine and its networks, open only to registered targets. `forbidden`:
 * nothing that a workspace should ever call — metadata services, link-local, multicast, reserved ranges, and notations
 * that hide an IPv4 address inside an IPv6 one.
 */
export type AddressClass = "public" | "private" | "forbidden";

/** Metadata services outside the link-local range: Azure's wire server, Alibaba Cloud, AWS over IPv6. */
const METADATA = new Set(["168.63.129.16", "100.100.100.200"]);
const METADATA_V6 = ipaddr.IPv6.parseCIDR("fd00:ec2::/32");
/** All of today's global unicast; what lies outside is reserved, whatever a library calls it. */
const GLOBAL_V6 = ipaddr.IPv6.parseCIDR("2000::/3");

/** `address` as `dns.lookup` or the WHATWG URL parser writes it, without brackets. What is not an address is forbidden. */
export function classifyAddress(address: string): AddressClass {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return classifyV4(address);
  if (ipaddr.IPv6.isValid(address)) return classifyV6(ipaddr.IPv6.parse(address));
  return "forbidden";
}

function classifyV4(address: string): AddressClass {
  if (METADATA.has(address)) return "forbidden";
  const range = ipaddr.IPv4.parse(address).range();
  if (range === "unicast") return "public";
  return range === "loopback" || range === "private" || range === "carrierGradeNat" ? "private" : "forbidden";
}

function classifyV6(address: ipaddr.IPv6): AddressClass {
  if (address.zoneId !== undefined || address.match(METADATA_V6)) return "forbidden";
  const range = address.range();
  if (range === "unicast") return address.match(GLOBAL_V6) ? "public" : "forbidden";
  return range === "loopback" || range === "uniqueLocal" ? "private" : "forbidden";
}
