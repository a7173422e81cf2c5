ip -4 route replace local 0.0.0.0/0 dev lo table 1338
[ -n "$(ip -4 rule show priority 1338 fwmark 1338 lookup 1338)" ] || ip -4 rule add priority 1338 fwmark 1338 lookup 1338
iptables-restore --wait --noflush <<'END'
*mangle
:RINGWAY_OUTBOUND - [0:0]
:RINGWAY_OUTPUT - [0:0]
:RINGWAY_PREROUTING - [0:0]
-A RINGWAY_OUTBOUND -p tcp -m addrtype --dst-type LOCAL -j RETURN
-A RINGWAY_OUTBOUND -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -j RETURN
-A RINGWAY_OUTBOUND -p tcp -m multiport --dports 16 -j RETURN
-A RINGWAY_OUTBOUND -p tcp -j TPROXY --on-port 15001 --tproxy-mark 1338
-A RINGWAY_OUTPUT -p tcp -m mark --mark 1337 -j CONNMARK --set-mark 1337
-A RINGWAY_OUTPUT -p tcp -m mark --mark 1337 -j RETURN
-A RINGWAY_OUTPUT -p tcp -m conntrack --ctdir REPLY -m connmark --mark 1337 -m addrtype ! --dst-type LOCAL -j MARK --set-mark 1338
-A RINGWAY_OUTPUT -p tcp -m conntrack --ctdir REPLY -m connmark --mark 1337 -m addrtype ! --dst-type LOCAL -j RETURN
-A RINGWAY_OUTPUT -p tcp -m conntrack --ctdir REPLY -j RETURN
-A RINGWAY_OUTPUT -p tcp -m addrtype --dst-type LOCAL -j RETURN
-A RINGWAY_OUTPUT -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -j RETURN
-A RINGWAY_OUTPUT -p tcp -m multiport --dports 16 -j RETURN
-A RINGWAY_OUTPUT -p tcp -j MARK --set-mark 1338
-A RINGWAY_OUTPUT -p tcp -j RETURN
-A RINGWAY_PREROUTING -p tcp -m mark --mark 1337 -j RETURN
-A RINGWAY_PREROUTING -p tcp -m socket --transparent -j MARK --set-mark 1338
-A RINGWAY_PREROUTING -p tcp -m socket --transparent -j ACCEPT
-A RINGWAY_PREROUTING -p tcp -m conntrack --ctdir REPLY -j RETURN
-A RINGWAY_PREROUTING -p tcp -i lo -m mark --mark 1338 -j TPROXY --on-port 15001 --tproxy-mark 1338
-A RINGWAY_PREROUTING -p tcp -i lo -j RETURN
-A RINGWAY_PREROUTING -p tcp -i br0 -j RINGWAY_OUTBOUND
-A RINGWAY_PREROUTING -p tcp -i veth+ -j RINGWAY_OUTBOUND
-A RINGWAY_PREROUTING -p tcp -s 10.244.0.0/16 -j RINGWAY_OUTBOUND
COMMIT
END
iptables -w -t mangle -C OUTPUT -p tcp -j RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t mangle -A OUTPUT -p tcp -j RINGWAY_OUTPUT
iptables -w -t mangle -C PREROUTING -p tcp -j RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t mangle -A PREROUTING -p tcp -j RINGWAY_PREROUTING
! iptables -w -t nat -C OUTPUT -p tcp -j RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t nat -D OUTPUT -p tcp -j RINGWAY_OUTPUT
! iptables -w -t nat -S RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t nat -F RINGWAY_OUTPUT
! iptables -w -t nat -S RINGWAY_OUTPUT >/dev/null 2>&1 || iptables -w -t nat -X RINGWAY_OUTPUT
! iptables -w -t nat -C PREROUTING -p tcp -j RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t nat -D PREROUTING -p tcp -j RINGWAY_PREROUTING
! iptables -w -t nat -S RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t nat -F RINGWAY_PREROUTING
! iptables -w -t nat -S RINGWAY_PREROUTING >/dev/null 2>&1 || iptables -w -t nat -X RINGWAY_PREROUTING
! iptables -w -t nat -S RINGWAY_OUTBOUND >/dev/null 2>&1 || iptables -w -t nat -F RINGWAY_OUTBOUND
! iptables -w -t nat -S RINGWAY_OUTBOUND >/dev/null 2>&1 || iptables -w -t nat -X RINGWAY_OUTBOUND
