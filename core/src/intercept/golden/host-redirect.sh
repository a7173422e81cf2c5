nft -f - <<'END'
table inet ringway
delete table inet ringway
table inet ringway {
	chain outbound {
		fib daddr type local return
		tcp dport { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } return
		meta l4proto tcp redirect to :15001
	}

	chain output {
		type nat hook output priority -100; policy accept;
		meta l4proto != tcp return
		meta mark 1337 return
		jump outbound
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		meta l4proto != tcp return
		iifname { "br0", "veth*" } jump outbound
		ip saddr { 10.244.0.0/16 } jump outbound
		ip6 saddr { fd00:244::/64 } jump outbound
	}
}
END
[ -z "$(ip -4 rule show priority 1338)" ] || ip -4 route flush table 1338
[ -z "$(ip -4 rule show priority 1338)" ] || ip -4 rule del priority 1338
[ -z "$(ip -6 rule show priority 1338)" ] || ip -6 route flush table 1338
[ -z "$(ip -6 rule show priority 1338)" ] || ip -6 rule del priority 1338
