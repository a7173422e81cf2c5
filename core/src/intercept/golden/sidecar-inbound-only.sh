nft -f - <<'END'
table inet ringway
delete table inet ringway
table inet ringway {
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
! iptables -w -t mangle -C OUTPUT -p tcp -j RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t mangle -D OUTPUT -p tcp -j RINGWAY_OUTPUT
! iptables -w -t mangle -S RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t mangle -F RINGWAY_OUTPUT
! iptables -w -t mangle -S RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t mangle -X RINGWAY_OUTPUT
! iptables -w -t mangle -C PREROUTING -p tcp -j RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t mangle -D PREROUTING -p tcp -j RINGWAY_PREROUTING
! iptables -w -t mangle -S RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t mangle -F RINGWAY_PREROUTING
! iptables -w -t mangle -S RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t mangle -X RINGWAY_PREROUTING
! iptables -w -t mangle -S RINGWAY_OUTBOUND >/dev/null 2>&1 || iptables -w -t mangle -F RINGWAY_OUTBOUND
! iptables -w -t mangle -S RINGWAY_OUTBOUND >/dev/null 2>&1 || iptables -w -t mangle -X RINGWAY_OUTBOUND
! ip6tables -w -t mangle -C OUTPUT -p tcp -j RINGWAY_OUTPUT >/dev/null 2>&1 || ip6tables -w -t mangle -D OUTPUT -p tcp -j RINGWAY_OUTPUT
! ip6tables -w -t mangle -S RINGWAY_OUTPUT >/dev/null 2>&1 || ip6tables -w -t mangle -F RINGWAY_OUTPUT
! ip6tables -w -t mangle -S RINGWAY_OUTPUT >/dev/null 2>&1 || ip6tables -w -t mangle -X RINGWAY_OUTPUT
! ip6tables -w -t mangle -C PREROUTING -p tcp -j RINGWAY_PREROUTING >/dev/null 2>&1 || ip6tables -w -t mangle -D PREROUTING -p tcp -j RINGWAY_PREROUTING
! ip6tables -w -t mangle -S RINGWAY_PREROUTING >/dev/null 2>&1 || ip6tables -w -t mangle -F RINGWAY_PREROUTING
! ip6tables -w -t mangle -S RINGWAY_PREROUTING >/dev/null 2>&1 || ip6tables -w -t mangle -X RINGWAY_PREROUTING
! ip6tables -w -t mangle -S RINGWAY_OUTBOUND >/dev/null 2>&1 || ip6tables -w -t mangle -F RINGWAY_OUTBOUND
! ip6tables -w -t mangle -S RINGWAY_OUTBOUND >/dev/null 2>&1 || ip6tables -w -t mangle -X RINGWAY_OUTBOUND
! iptables -w -t nat -C OUTPUT -p tcp -j RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t nat -D OUTPUT -p tcp -j RINGWAY_OUTPUT
! iptables -w -t nat -S RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t nat -F RINGWAY_OUTPUT
! iptables -w -t nat -S RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t nat -X RINGWAY_OUTPUT
! iptables -w -t nat -C PREROUTING -p tcp -j RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t nat -D PREROUTING -p tcp -j RINGWAY_PREROUTING
! iptables -w -t nat -S RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t nat -F RINGWAY_PREROUTING
! iptables -w -t nat -S RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t nat -X RINGWAY_PREROUTING
! iptables -w -t nat -S RINGWAY_OUTBOUND >/dev/null 2>&1 || iptables -w -t nat -F RINGWAY_OUTBOUND
! iptables -w -t nat -S RINGWAY_OUTBOUND >/dev/null 2>&1 || iptables -w -t nat -X RINGWAY_OUTBOUND
! ip6tables -w -t nat -C OUTPUT -p tcp -j RINGWAY_OUTPUT >/dev/null 2>&1 || ip6tables -w -t nat -D OUTPUT -p tcp -j RINGWAY_OUTPUT
! ip6tables -w -t nat -S RINGWAY_OUTPUT >/dev/null 2>&1 || ip6tables -w -t nat -F RINGWAY_OUTPUT
! ip6tables -w -t nat -S RINGWAY_OUTPUT >/dev/null 2>&1 || ip6tables -w -t nat -X RINGWAY_OUTPUT
! ip6tables -w -t nat -C PREROUTING -p tcp -j RINGWAY_PREROUTING >/dev/null 2>&1 || ip6tables -w -t nat -D PREROUTING -p tcp -j RINGWAY_PREROUTING
! ip6tables -w -t nat -S RINGWAY_PREROUTING >/dev/null 2>&1 || ip6tables -w -t nat -F RINGWAY_PREROUTING
! ip6tables -w -t nat -S RINGWAY_PREROUTING >/dev/null 2>&1 || ip6tables -w -t nat -X RINGWAY_PREROUTING
! ip6tables -w -t nat -S RINGWAY_OUTBOUND >/dev/null 2>&1 || ip6tables -w -t nat -F RINGWAY_OUTBOUND
! ip6tables -w -t nat -S RINGWAY_OUTBOUND >/dev/null 2>&1 || ip6tables -w -t nat -X RINGWAY_OUTBOUND
[ -z "$(ip -4 rule show priority 1338)" ] || ip -4 route flush table 1338
[ -z "$(ip -4 rule show priority 1338)" ] || ip -4 rule del priority 1338
[ -z "$(ip -6 rule show priority 1338)" ] || ip -6 route flush table 1338
[ -z "$(ip -6 rule show priority 1338)" ] || ip -6 rule del priority 1338
