ip -4 route replace local 0.0.0.0/0 dev lo table 1338
[ -n "$(ip -4 rule show priority 1338 fwmark 1338 lookup 1338)" ] || ip -4 rule add priority 1338 fwmark 1338 lookup 1338
ip -6 route replace local ::/0 dev lo table 1338
[ -n "$(ip -6 rule show priority 1338 fwmark 1338 lookup 1338)" ] || ip -6 rule add priority 1338 fwmark 1338 lookup 1338
nft -f - <<'END'
table inet ringway
delete table inet ringway
table inet ringway {
	chain output {
		type route hook output priority mangle; policy accept;
		meta l4proto != tcp return
		meta mark 1337 ct mark set 1337 return
		ct direction reply ct mark 1337 fib daddr type != local meta mark set 1338 return
		ct direction reply return
		meta skuid { ringway, 1001 } return
		fib daddr type local return
		ip daddr { 169.254.169.254, 10.96.0.0/12 } return
		ip6 daddr { fd00:96::/112 } return
		tcp dport { 53, 22 } return
		tcp dport { 5432, 6379 } meta mark set 1338 return
		meta mark set 1338 return
	}

	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		meta l4proto != tcp return
		meta mark 1337 return
		socket wildcard 0 socket transparent 1 meta mark set 1338 accept
		ct direction reply return
		iifname "lo" meta mark 1338 tcp dport { 5432, 6379 } meta l4proto tcp tproxy to :15002 meta mark set 1338 accept
		iifname "lo" meta mark 1338 meta l4proto tcp tproxy to :15001 meta mark set 1338 accept
		iifname "lo" return
		fib daddr type != local return
		tcp dport { 22 } return
		meta l4proto tcp tproxy to :15006 meta mark set 1338 accept
	}
}
END
