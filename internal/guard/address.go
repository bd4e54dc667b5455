package guard

import (
	"net/netip"
	"slices"
)

// block is a range that is not for everyone, and why.
type block struct {
	prefix netip.Prefix
	reason string
}

// blocks lists what the registries of special-purpose addresses (RFC 6890 and
// its IANA registries) call not globally reachable, and what the clouds use
// for their metadata services. The first match gives the reason.
func blocks() []block {
	table := []struct{ prefix, reason string }{
		{"169.254.169.254/32", "a metadata service"}, // AWS, Google, Azure and others
		{"169.254.170.2/32", "a metadata service"},   // AWS task roles
		{"100.100.100.200/32", "a metadata service"}, // Alibaba
		{"192.0.0.192/32", "a metadata service"},     // Oracle
		{"168.63.129.16/32", "a metadata service"},   // Azure, a public address
		{"fd00:ec2::/32", "a metadata service"},      // AWS
		{"fd20:ce::254/128", "a metadata service"},   // Google
		{"0.0.0.0/8", "an unspecified address"},
		{"::/128", "an unspecified address"},
		{"127.0.0.0/8", "a loopback address"},
		{"::1/128", "a loopback address"},
		{"10.0.0.0/8", "a private address"},
		{"172.16.0.0/12", "a private address"},
		{"192.168.0.0/16", "a private address"},
		{"fc00::/7", "a private address"},
		{"fec0::/10", "a private address"},
		{"100.64.0.0/10", "an address of a carrier's private network"},
		{"169.254.0.0/16", "a link-local address"},
		{"fe80::/10", "a link-local address"},
		{"224.0.0.0/4", "a multicast address"},
		{"ff00::/8", "a multicast address"},
		{"192.0.0.0/24", "a reserved address"},
		{"192.0.2.0/24", "an address for documentation"},
		{"198.51.100.0/24", "an address for documentation"},
		{"203.0.113.0/24", "an address for documentation"},
		{"2001:db8::/32", "an address for documentation"},
		{"3fff::/20", "an address for documentation"},
		{"192.88.99.0/24", "a reserved address"},
		{"198.18.0.0/15", "a reserved address"},
		{"240.0.0.0/4", "a reserved address"},
		{"2001::/32", "a tunnel's address"}, // Teredo
		{"2002::/16", "a tunnel's address"}, // 6to4
		{"2001::/23", "a reserved address"},
	}
	list := make([]block, len(table))
	for i, entry := range table {
		list[i] = block{netip.MustParsePrefix(entry.prefix), entry.reason}
	}
	return list
}

// blocked says why an address is not for everyone; empty if it is.
func blocked(address netip.Addr) string {
	address = plain(address)
	if embedded := embeddedIPv4(address); embedded.IsValid() {
		return blocked(embedded)
	}
	list := blocks()
	i := slices.IndexFunc(list, func(b block) bool { return b.prefix.Contains(address) })
	switch {
	case !address.IsValid():
		return "it is no address"
	case i >= 0:
		return list[i].reason
	case address.Is6() && !netip.MustParsePrefix("2000::/3").Contains(address):
		// Everything that IANA has given out for public use lies in there.
		return "a reserved address"
	}
	return ""
}

// plain takes an address out of its IPv4-mapped form and drops the zone.
func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// embeddedIPv4 gives the address that a NAT64 translator would connect to
// (RFC 6052, the well-known prefix 64:ff9b::/96): on a machine with IPv6 only,
// public servers are reached so. Not valid for all other addresses.
func embeddedIPv4(address netip.Addr) netip.Addr {
	if !netip.MustParsePrefix("64:ff9b::/96").Contains(address) {
		return netip.Addr{}
	}
	octets := address.As16()
	return netip.AddrFrom4([4]byte(octets[12:]))
}
