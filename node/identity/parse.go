package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// PEM labels, RFC 7468 and RFC 8017.
const (
	blockPKCS1     = "RSA PRIVATE KEY"
	blockPKCS8     = "PRIVATE KEY"
	blockPublic    = "PUBLIC KEY"
	blockRSAPublic = "RSA PUBLIC KEY"
)

// What to do, in the sentences below. FILE and NEWFILE stand for paths, as
// Parse knows none.
const (
	adviceNew     = "make one with: hearsay key new NEWFILE"
	adviceDecrypt = "decrypt it with: openssl pkey -in FILE -out NEWFILE"
	adviceDER     = "convert it with: openssl pkey -inform DER -in FILE -out NEWFILE"
)

// Parse reads a hostkey from PEM text: exactly one private key, either RSA of
// [MinRSABits] to [MaxRSABits] bits (PKCS#1 or PKCS#8) or Ed25519 (PKCS#8).
// Public keys beside it are tolerated and ignored, as some tools write both
// into one file, and so is explanatory text before a block. An error says what
// was found instead and what to do.
func Parse(text []byte) (*Identity, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the file is empty; " + adviceNew)
	}

	var key *pem.Block
	var public, blocks int
	rest := text
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		blocks++
		switch block.Type {
		case blockPKCS1, blockPKCS8:
			if key != nil {
				return nil, errors.New("two private keys in one file, and a node has one: keep only the one that you mean")
			}
			key = block
		case blockPublic, blockRSAPublic:
			public++
		default:
			return nil, unwelcome(block.Type)
		}
	}

	switch {
	case blocks != bytes.Count(text, []byte("-----BEGIN ")):
		// pem.Decode skips what it cannot read: without this a damaged key
		// followed by another one would silently become that other one.
		return nil, errors.New("a PEM block is damaged (cut short or changed); restore the file from a copy, or " + adviceNew)
	case blocks == 0 && text[0] == 0x30: // an ASN.1 SEQUENCE
		return nil, errors.New("binary data, perhaps a key in DER form, where PEM text is expected; " + adviceDER)
	case blocks == 0:
		return nil, errors.New("no PEM block (-----BEGIN …-----) in it, so it is no key; " + adviceNew)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("there is something behind the last PEM block; remove it")
	case key == nil:
		return nil, fmt.Errorf("only public keys (%d), and a hostkey is a private key; %s", public, adviceNew)
	case key.Headers["DEK-Info"] != "" || key.Headers["Proc-Type"] != "": // RFC 1421
		return nil, encrypted()
	case key.Type == blockPKCS1:
		return parsePKCS1(key.Bytes)
	default:
		return parsePKCS8(key.Bytes)
	}
}

func encrypted() error {
	return errors.New("the private key is encrypted, and a node starts without asking for a passphrase; " + adviceDecrypt)
}

// unwelcome is the error for a PEM block that no hostkey file has.
func unwelcome(label string) error {
	switch label {
	case "ENCRYPTED PRIVATE KEY":
		return encrypted()
	case "EC PRIVATE KEY", "EC PARAMETERS":
		return wrongKind("EC")
	case "DSA PRIVATE KEY", "DSA PARAMETERS":
		return wrongKind("DSA")
	case "OPENSSH PRIVATE KEY":
		return wrongKind("OpenSSH")
	case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE", "CERTIFICATE REQUEST":
		return fmt.Errorf("a PEM block %q, and a hostkey is a private key alone: remove the block if there is a private key beside it, else %s", label, adviceNew)
	}
	return fmt.Errorf("a PEM block %q, and a hostkey is a private key (RSA or Ed25519) alone; %s", label, adviceNew)
}

func wrongKind(kind string) error {
	return fmt.Errorf("a private key of kind %s, and a hostkey is Ed25519 or RSA; %s", kind, adviceNew)
}

// parsePKCS1 parses an RSA key (RFC 8017, appendix A.1.2). The size is read
// before anything is computed with the numbers, so that a key of any size is
// refused at once.
func parsePKCS1(der []byte) (*Identity, error) {
	var head struct { // encoding/asn1 ignores the fields that follow
		Version int
		N       *big.Int
		E       *big.Int
	}
	if err := unmarshal(der, &head); err != nil {
		return nil, damaged(RSA, err)
	}
	switch bits := head.N.BitLen(); {
	case bits < MinRSABits:
		return nil, fmt.Errorf("RSA with %d bits, and at least %d are needed; %s", bits, MinRSABits, adviceNew)
	case bits > MaxRSABits:
		return nil, fmt.Errorf("RSA with %d bits, and at most %d are supported; %s", bits, MaxRSABits, adviceNew)
	case !head.E.IsInt64() || head.E.Int64() > MaxRSAExponent:
		return nil, fmt.Errorf("RSA with a public exponent above %d, which only costs neighbours time; %s", MaxRSAExponent, adviceNew)
	case head.Version != 0:
		return nil, wrongKind("multi-prime RSA")
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, damaged(RSA, err)
	}
	return fromRSA(key)
}

var (
	oidRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1} // RFC 8017
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}             // RFC 8410
)

// oidNames are the kinds that people are likely to try.
var oidNames = map[string]string{
	"1.2.840.113549.1.1.10": "RSA-PSS",
	"1.2.840.10045.2.1":     "EC",
	"1.2.840.10040.4.1":     "DSA",
	"1.3.101.110":           "X25519",
	"1.3.101.111":           "X448",
	"1.3.101.113":           "Ed448",
}

// parsePKCS8 parses a key of any kind (RFC 5208, RFC 5958).
func parsePKCS8(der []byte) (*Identity, error) {
	var head struct {
		Version    int
		Algorithm  pkix.AlgorithmIdentifier
		PrivateKey []byte
	}
	if err := unmarshal(der, &head); err != nil {
		return nil, damaged("PKCS#8", err)
	}
	switch oid := head.Algorithm.Algorithm; {
	case oid.Equal(oidRSA):
		return parsePKCS1(head.PrivateKey)
	case oid.Equal(oidEd25519):
		key, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, damaged(Ed25519, err)
		}
		return fromEd25519(key.(ed25519.PrivateKey))
	default:
		name, ok := oidNames[oid.String()]
		if !ok {
			name = oid.String()
		}
		return nil, wrongKind(name)
	}
}

// unmarshal reads the leading fields of a SEQUENCE that is all of der.
func unmarshal(der []byte, head any) error {
	rest, err := asn1.Unmarshal(der, head)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	return err
}

func damaged(kind string, err error) error {
	return fmt.Errorf("a damaged %s private key (%w); restore the file from a copy, or %s", kind, err, adviceNew)
}
