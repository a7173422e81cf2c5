ip -4 route replace local 0.0.0.0/0 dev lo table 1338
[ -n "$(ip -4 rule show priority 1338 fwmark 1338 lookup 1338)" ] || ip -4 rule add priority 1338 fwmark 1338 lookup 1338
ip -6 route replace local ::/0 dev lo table 1338
[ -n "$(ip -6 rule show priority 1338 fwmark 1338 lookup 1338)" ] || ip -6 rule add priority 1338 fwmark 1338 lookup 1338
nft -f - <<'END'
table inet ringway
delete table inet ringway
table inet ringway {
	chain outbound {
		fib daddr type local return
		tcp dport { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } return
		meta l4proto tcp tproxy to :15001 meta mark set 1338 accept
	}

	chain output {
		type route hook output priority mangle; policy accept;
		meta l4proto != tcp return
		meta mark 1337 ct mark set 1337 return
		ct direction reply ct mark 1337 fib daddr type != local meta mark set 1338 return
		ct direction reply return
	}

	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		meta l4proto != tcp return
		meta mark 1337 return
		socket wildcard 0 socket transparent 1 meta mark set 1338 accept
		ct direction reply return
		iifname "lo" return
		iifname { "br0", "veth*" } jump outbound
		ip saddr { 10.244.0.0/16 } jump outbound
		ip6 saddr { fd00:244::/64 } jump outbound
	}
}
END
