package secret

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
)

const (
	fileName       = "key"           // in the data directory
	credentialName = "postilion-key" // of systemd's LoadCredential
	rawKeySize     = 32              // bytes, AES-256
	maxKeyFile     = 64 << 10
)

// ErrMissing: there is no key, and none may be made.
var ErrMissing = errors.New("the encryption key is missing")

// Source says where the key comes from. The first that is set is used, in the
// order of the fields; the last resort is the file "key" in the data
// directory.
//
// A key is a Tink keyset in JSON, or 32 random octets in base64, such as
// `openssl rand -base64 32` gives.
type Source struct {
	KeyFile     string // path, by --key-file
	Environment string // the key itself, of POSTILION_KEY
	Credentials string // directory of systemd's credentials, $CREDENTIALS_DIRECTORY
	DataDir     string
	// Create allows a new key to be made in the data directory when there is
	// none. Only a daemon without a database sets it: a new key for an old
	// database would leave the stored secrets unreadable.
	Create bool
}

// Load reads the key, or makes one if the source allows it. Errors name the
// place and the remedy, never the key.
func Load(source Source) (*Box, error) {
	switch {
	case source.KeyFile != "":
		// Groups may read: so Kubernetes mounts secrets.
		return loadFile(source.KeyFile, 0o037)
	case source.Environment != "":
		return parse([]byte(source.Environment), "POSTILION_KEY")
	}
	if source.Credentials != "" {
		// systemd grants access by an ACL, whose mask looks like group rights;
		// the directory is the service's own.
		box, err := loadFile(filepath.Join(source.Credentials, credentialName), 0o007)
		if !errors.Is(err, fs.ErrNotExist) {
			return box, err
		}
	}
	path := filepath.Join(source.DataDir, fileName)
	box, err := loadFile(path, 0o077)
	if !errors.Is(err, fs.ErrNotExist) {
		return box, err
	}
	if !source.Create {
		return nil, fmt.Errorf("%w: %s is not there, but the database is: put the file back from where you keep it (postilion backup leaves it out), "+
			"or give the key by --key-file or POSTILION_KEY", ErrMissing, path)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("making the encryption key: %w", err)
	}
	return loadFile(path, 0o077)
}

// loadFile reads a key file. None of the forbidden mode bits may be set.
func loadFile(path string, forbidden fs.FileMode) (*Box, error) {
	// Non-blocking: a FIFO must not hold up the start.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("key file %s: expected a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return nil, fmt.Errorf("key file %s has mode %04o, others may use it: chmod 600 %s", path, mode, path)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("key file %s belongs to user %d: it must belong to the daemon's user or root", path, stat.Uid)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return parse(text, path)
}

// parse reads a key. Its errors leave out those of the parsers, which quote
// what they read.
func parse(text []byte, where string) (*Box, error) {
	text = bytes.TrimSpace(text)
	var handle *keyset.Handle
	var err error
	switch {
	case len(text) > maxKeyFile:
		err = errors.New("too long")
	case bytes.HasPrefix(text, []byte("{")):
		handle, err = insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	default:
		handle, err = fromRaw(text)
	}
	if err == nil {
		var box *Box
		if box, err = newBox(handle); err == nil {
			return box, nil
		}
	}
	return nil, fmt.Errorf("%s holds no key: expected a Tink AEAD keyset in JSON, or %d octets in base64", where, rawKeySize)
}

// fromRaw makes a keyset of 32 octets in base64. Its id is taken from a digest
// of the key, so that another key is told apart.
func fromRaw(text []byte) (*keyset.Handle, error) {
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(append([]byte("postilion key id\x00"), raw...))
	parameters, err := aesgcm.NewParameters(aesgcm.ParametersOpts{
		KeySizeInBytes: rawKeySize, IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantTink,
	})
	if err != nil {
		return nil, err
	}
	octets := secretdata.NewBytesFromData(raw, insecuresecretdataaccess.Token{})
	key, err := aesgcm.NewKey(octets, binary.BigEndian.Uint32(digest[:]), parameters)
	if err != nil {
		return nil, err
	}
	manager := keyset.NewManager()
	id, err := manager.AddKey(key)
	if err != nil {
		return nil, err
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, err
	}
	return manager.Handle()
}

// create makes a new key file. It is there whole or not at all, and it is on
// stable storage when create returns: a secret must not outlive its key. A
// file that someone else has made meanwhile stays.
func create(path string) error {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	directory := filepath.Dir(path)
	file, err := os.CreateTemp(directory, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(file)); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	parent, err := os.Open(directory)
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Sync()
}
