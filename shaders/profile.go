package shaders

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/go-dept/dept/wgpu"
)

// Profile is what was measured on a device: which variant of each kernel is the
// fastest there.
type Profile struct {
	Device   wgpu.AdapterInfo  `json:"device"`
	Library  string            `json:"library"`  // wgpu.Library
	Kernels  string            `json:"kernels"`  // Version of those that were measured
	Variants map[string]string `json:"variants"` // the fastest by Call.Class
	// Milliseconds are the times of all variants that were measured, by class.
	Milliseconds map[string]map[string]float64 `json:"milliseconds"`
}

// Check reports why a profile does not hold for a device with today's kernels.
func (p *Profile) Check(device wgpu.AdapterInfo) error {
	switch d := p.Device; {
	case d.Name != device.Name || d.Backend != device.Backend:
		return fmt.Errorf("it was measured on %v, and this is %v", d, device)
	case d.Driver != device.Driver:
		return fmt.Errorf("it was measured with the driver %q, and this is %q: measure again with dept tune", d.Driver, device.Driver)
	case p.Kernels != Version() || p.Library != wgpu.Library():
		return fmt.Errorf("it was measured with the kernels of another version of this program: measure again with dept tune")
	}
	return nil
}

// Version is a hash of the text of all kernels.
var Version = sync.OnceValue(func() string {
	hash := sha256.New()
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, e := range entries {
		text, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(hash, "%s %d\n", e.Name(), len(text))
		hash.Write(text)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
})
