package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// childRouter is what home routers do besides routing: it maps ports for whom is
// behind it, by NAT-PMP or by UPnP, and has nftables forward them. It is written
// after RFC 6886, and after the UPnP Forum's "WANIPConnection:1" and "UPnP Device
// Architecture 1.0", as far as anybody asks here.
func childRouter(ctx context.Context, cfg childConfig) error {
	r := &router{cfg: cfg, ports: make(map[int]string)}
	failed := make(chan error, 2)
	switch cfg.Speaks {
	case "NAT-PMP":
		conn, err := net.ListenPacket("udp4", net.JoinHostPort(cfg.Inside, "5351"))
		if err != nil {
			return err
		}
		defer conn.Close()
		go func() { failed <- r.servePMP(conn) }()
	case "UPnP":
		link, err := net.InterfaceByName("home")
		if err != nil {
			return err
		}
		conn, err := net.ListenMulticastUDP("udp4", link, &net.UDPAddr{IP: net.IPv4(239, 255, 255, 250), Port: 1900})
		if err != nil {
			return err
		}
		defer conn.Close()
		web, err := net.Listen("tcp4", net.JoinHostPort(cfg.Inside, "5000"))
		if err != nil {
			return err
		}
		defer web.Close()
		go func() { failed <- r.serveSSDP(conn) }()
		go func() { failed <- http.Serve(web, r) }()
	default:
		return errors.New("a router speaks NAT-PMP or UPnP, not " + cfg.Speaks)
	}
	say("listening")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

type router struct {
	cfg   childConfig
	mu    sync.Mutex
	ports map[int]string // inside, by the port outside
}

// forward has a port outside go to an address inside, "" = nowhere any more.
func (r *router) forward(outside int, inside string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ports[outside] == inside {
		return nil
	}
	if inside == "" {
		delete(r.ports, outside)
	} else {
		r.ports[outside] = inside
	}
	rules := "table ip mapped {}\nflush table ip mapped\ntable ip mapped { chain in { type nat hook prerouting priority dstnat;\n"
	for port, at := range r.ports {
		rules += fmt.Sprintf("iifname wan tcp dport %d dnat to %s\n", port, at)
	}
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules + "}\n}\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	if inside == "" {
		say("unmapped", outside)
	} else {
		say("mapped", outside, inside)
	}
	return nil
}

// servePMP answers two of the requests of RFC 6886, 3.2 and 3.3: the address
// outside, and a TCP port.
func (r *router) servePMP(conn net.PacketConn) error {
	for b := make([]byte, 64); ; {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return err
		}
		answer := []byte{0, b[1] | 128, 0, 0, 0, 0, 0, 1}
		switch {
		case n == 2 && b[0] == 0 && b[1] == 0:
			ip := netip.MustParseAddr(r.cfg.Outside).As4()
			answer = append(answer, ip[:]...)
		case n == 12 && b[0] == 0 && b[1] == 2:
			inside, outside, life := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), b[8:12]
			at := netip.AddrPortFrom(from.(*net.UDPAddr).AddrPort().Addr(), inside).String()
			if binary.BigEndian.Uint32(life) == 0 { // 3.4: the one that there is
				err = r.forget(at)
			} else {
				outside += 1000 // another one than was asked for
				if inside+1000 != outside {
					outside -= 1000 // except at a renewal
				}
				err = r.forward(int(outside), at)
			}
			if err != nil {
				return err
			}
			answer = append(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(answer, inside), outside), life...)
		default:
			continue
		}
		if _, err := conn.WriteTo(answer, from); err != nil {
			return err
		}
	}
}

// forget ends the mapping to an address inside.
func (r *router) forget(inside string) error {
	r.mu.Lock()
	outside := 0
	for port, at := range r.ports {
		if at == inside {
			outside = port
		}
	}
	r.mu.Unlock()
	if outside == 0 {
		return nil
	}
	return r.forward(outside, "")
}

const connectionDevice = "urn:schemas-upnp-org:device:WANConnectionDevice:1"

// serveSSDP answers who looks for what this router is.
func (r *router) serveSSDP(conn *net.UDPConn) error {
	for b := make([]byte, 2048); ; {
		n, from, err := conn.ReadFromUDP(b)
		if err != nil {
			return err
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:n])))
		if err != nil || req.Method != "M-SEARCH" || req.Header.Get("ST") != connectionDevice {
			continue
		}
		answer := "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\nSERVER: test\r\n" +
			"LOCATION: http://" + r.cfg.Inside + ":5000/device.xml\r\nST: " + connectionDevice + "\r\n" +
			"USN: uuid:1::" + connectionDevice + "\r\n\r\n"
		if _, err := conn.WriteToUDP([]byte(answer), from); err != nil {
			return err
		}
	}
}

const deviceXML = `<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><friendlyName>router</friendlyName><UDN>uuid:0</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><UDN>uuid:2</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><UDN>uuid:1</UDN>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><controlURL>/control</controlURL><eventSubURL>/events</eventSubURL><SCPDURL>/scpd.xml</SCPDURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>`

// ServeHTTP describes the router, and answers the actions of its service.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "text/xml")
	if req.URL.Path == "/device.xml" {
		fmt.Fprint(w, deviceXML)
		return
	}
	const service = "urn:schemas-upnp-org:service:WANIPConnection:1"
	action := strings.TrimPrefix(strings.Trim(req.Header.Get("SOAPAction"), `"`), service+"#")
	var call struct {
		Body struct {
			Action struct {
				Outside  string `xml:"NewExternalPort"`
				Protocol string `xml:"NewProtocol"`
				Inside   string `xml:"NewInternalPort"`
				Client   string `xml:"NewInternalClient"`
			} `xml:",any"`
		}
	}
	if err := xml.NewDecoder(req.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a, answer := call.Body.Action, ""
	outside, err := strconv.Atoi(a.Outside)
	switch action {
	case "GetNATRSIPStatus":
		answer, err = "<NewRSIPAvailable>0</NewRSIPAvailable><NewNATEnabled>1</NewNATEnabled>", nil
	case "GetExternalIPAddress":
		answer, err = "<NewExternalIPAddress>"+r.cfg.Outside+"</NewExternalIPAddress>", nil
	case "AddPortMapping":
		if a.Protocol != "TCP" || !strings.HasPrefix(req.RemoteAddr, a.Client+":") {
			err = fmt.Errorf("%s wants %s for %s", req.RemoteAddr, a.Protocol, a.Client)
		}
		if err == nil {
			err = r.forward(outside, net.JoinHostPort(a.Client, a.Inside))
		}
	case "DeletePortMapping":
		if err == nil {
			err = r.forward(outside, "")
		}
	default:
		err = errors.New("no such action: " + action)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, `<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>
<u:%[1]sResponse xmlns:u="%[2]s">%[3]s</u:%[1]sResponse></s:Body></s:Envelope>`, action, service, answer)
}
