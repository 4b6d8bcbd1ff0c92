// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// authority issues certificates for a test.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test authority"},
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	created := &authority{pool: x509.NewCertPool()}
	var err error
	if created.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, template,
		created.key.Public(), created.key)
	if err != nil {
		t.Fatal(err)
	}
	if created.certificate, err = x509.ParseCertificate(encoded); err != nil {
		t.Fatal(err)
	}
	created.pool.AddCert(created.certificate)
	return created
}

// issue makes a certificate for a host, good for servers and clients.
func (a *authority) issue(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: host},
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(),
		a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{encoded}, PrivateKey: key}
}

// serveTLS is a scripted server behind TLS that asks for a certificate of the authority.
func serveTLS(t *testing.T, trusted *authority, host string) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{trusted.issue(t, host)},
		ClientCAs:    trusted.pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	return serveListener(t, listener, &echo{}, nil).endpoint()
}

func TestTLSWithCertificatesOfBothSides(t *testing.T) {
	trusted := newAuthority(t)
	configuration := &tls.Config{
		RootCAs: trusted.pool, Certificates: []tls.Certificate{trusted.issue(t, "client")},
	}
	for host, serverName := range map[string]string{"127.0.0.1": "", "scores": "scores"} {
		configuration.ServerName = serverName
		client := newClient(t, serveTLS(t, trusted, host), Options{
			Timeout: schedulingSlack, TLS: configuration, AttemptsMax: 1,
		})
		for value := range 20 {
			expectEcho(t, client, float64(value))
			time.Sleep(peekedAfter / 4) // some calls find the connection idle for long, some not
		}
		if count := allConnections(client); count != 1 {
			t.Errorf("expected 1 connection, there are %d", count)
		}
	}
}

func TestTLSRefusesWhomItDoesNotTrust(t *testing.T) {
	trusted, stranger := newAuthority(t), newAuthority(t)
	certificates := []tls.Certificate{trusted.issue(t, "client")}
	for name, configuration := range map[string]*tls.Config{
		"unknown authority": {RootCAs: stranger.pool, Certificates: certificates},
		"other name":        {RootCAs: trusted.pool, ServerName: "x", Certificates: certificates},
		"system's roots":    {Certificates: certificates},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, serveTLS(t, trusted, "127.0.0.1"), Options{
				Timeout: schedulingSlack, TLS: configuration, AttemptsMax: 1,
			})
			expectTransportError(t, callEcho(client), "connect", ErrConnectFailed)
		})
	}
}

func TestServerThatRefusesTheClientsCertificateGivesATypedError(t *testing.T) {
	trusted := newAuthority(t)
	client := newClient(t, serveTLS(t, trusted, "127.0.0.1"), Options{
		Timeout: schedulingSlack, TLS: &tls.Config{RootCAs: trusted.pool}, AttemptsMax: 1,
	})
	// With TLS 1.3 the server says so after the handshake.
	expectTransportError(t, callEcho(client), "read", ErrConnectionLost)
}
