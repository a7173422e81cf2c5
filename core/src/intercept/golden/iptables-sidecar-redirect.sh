iptables-restore --wait --noflush <<'END'
*nat
:RINGWAY_OUTBOUND - [0:0]
:RINGWAY_OUTPUT - [0:0]
:RINGWAY_PREROUTING - [0:0]
-A RINGWAY_OUTBOUND -p tcp -m addrtype --dst-type LOCAL -j RETURN
-A RINGWAY_OUTBOUND -p tcp -d 169.254.169.254/32 -j RETURN
-A RINGWAY_OUTBOUND -p tcp -d 10.96.0.0/12 -j RETURN
-A RINGWAY_OUTBOUND -p tcp -m multiport --dports 53,22 -j RETURN
-A RINGWAY_OUTBOUND -p tcp -m multiport --dports 5432,6379 -j REDIRECT --to-ports 15002
-A RINGWAY_OUTBOUND -p tcp -j REDIRECT --to-ports 15001
-A RINGWAY_OUTPUT -p tcp -m mark --mark 1337 -j RETURN
-A RINGWAY_OUTPUT -p tcp -m owner --uid-owner ringway -j RETURN
-A RINGWAY_OUTPUT -p tcp -m owner --uid-owner 1001 -j RETURN
-A RINGWAY_OUTPUT -p tcp -j RINGWAY_OUTBOUND
-A RINGWAY_PREROUTING -p tcp -i lo -j RETURN
-A RINGWAY_PREROUTING -p tcp -m addrtype ! --dst-type LOCAL -j RETURN
-A RINGWAY_PREROUTING -p tcp -m multiport --dports 22 -j RETURN
-A RINGWAY_PREROUTING -p tcp -j REDIRECT --to-ports 15006
COMMIT
END
iptables -w -t nat -C OUTPUT -p tcp -j RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t nat -A OUTPUT -p tcp -j RINGWAY_OUTPUT
iptables -w -t nat -C PREROUTING -p tcp -j RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t nat -A PREROUTING -p tcp -j RINGWAY_PREROUTING
ip6tables-restore --wait --noflush <<'END'
*nat
:RINGWAY_OUTBOUND - [0:0]
:RINGWAY_OUTPUT - [0:0]
:RINGWAY_PREROUTING - [0:0]
-A RINGWAY_OUTBOUND -p tcp -m addrtype --dst-type LOCAL -j RETURN
-A RINGWAY_OUTBOUND -p tcp -d fd00:96::/112 -j RETURN
-A RINGWAY_OUTBOUND -p tcp -m multiport --dports 53,22 -j RETURN
-A RINGWAY_OUTBOUND -p tcp -m multiport --dports 5432,6379 -j REDIRECT --to-ports 15002
-A RINGWAY_OUTBOUND -p tcp -j REDIRECT --to-ports 15001
-A RINGWAY_OUTPUT -p tcp -m mark --mark 1337 -j RETURN
-A RINGWAY_OUTPUT -p tcp -m owner --uid-owner ringway -j RETURN
-A RINGWAY_OUTPUT -p tcp -m owner --uid-owner 1001 -j RETURN
-A RINGWAY_OUTPUT -p tcp -j RINGWAY_OUTBOUND
-A RINGWAY_PREROUTING -p tcp -i lo -j RETURN
-A RINGWAY_PREROUTING -p tcp -m addrtype ! --dst-type LOCAL -j RETURN
-A RINGWAY_PREROUTING -p tcp -m multiport --dports 22 -j RETURN
-A RINGWAY_PREROUTING -p tcp -j REDIRECT --to-ports 15006
COMMIT
END
ip6tables -w -t nat -C OUTPUT -p tcp -j RINGWAY_OUTPUT >/dev/null 2>&1 || ip6tables -w -t nat -A OUTPUT -p tcp -j RINGWAY_OUTPUT
ip6tables -w -t nat -C PREROUTING -p tcp -j RINGWAY_PREROUTING >/dev/null 2>&1 || ip6tables -w -t nat -A PREROUTING -p tcp -j RINGWAY_PREROUTING
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
[ -z "$(ip -4 rule show priority 1338)" ] || ip -4 route flush table 1338
[ -z "$(ip -4 rule show priority 1338)" ] || ip -4 rule del priority 1338
[ -z "$(ip -6 rule show priority 1338)" ] || ip -6 route flush table 1338
[ -z "$(ip -6 rule show priority 1338)" ] || ip -6 rule del priority 1338
