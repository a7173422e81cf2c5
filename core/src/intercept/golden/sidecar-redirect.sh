nft -f - <<'END'
table inet ringway
delete table inet ringway
table inet ringway {
	chain outbound {
		fib daddr type local return
		ip daddr { 169.254.169.254, 10.96.0.0/12 } return
		ip6 daddr { fd00:96::/112 } return
		tcp dport { 53, 22 } return
		tcp dport { 5432, 6379 } meta l4proto tcp redirect to :15002
		meta l4proto tcp redirect to :15001
	}

	chain output {
		type nat hook output priority -100; policy accept;
		meta l4proto != tcp return
		meta mark 1337 return
		meta skuid { ringway, 1001 } return
		jump outbound
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		meta l4proto != tcp return
		iifname "lo" return
		fib daddr type != local return
		tcp dport { 22 } return
		meta l4proto tcp redirect to :15006
	}
}
END
[ -z "$(ip -4 rule show priority 1338)" ] || ip -4 route flush table 1338
[ -z "$(ip -4 rule show priority 1338)" ] || ip -4 rule del priority 1338
[ -z "$(ip -6 rule show priority 1338)" ] || ip -6 route flush table 1338
[ -z "$(ip -6 rule show priority 1338)" ] || ip -6 rule del priority 1338
