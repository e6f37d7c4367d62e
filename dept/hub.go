package dept

import (
	"fmt"
	"strings"

	"github.com/go-dept/dept/nn"
)

// The files of the adapters library (AdapterHub) beside adapter_config.json.
const (
	HubWeightsFile = "adapter.safetensors"
	HubTorchFile   = "pytorch_adapter.bin" // read where there are no safetensors
)

// hubName is the name that an adapter has here: the library's adapters have one each,
// which is a part of the names of their tensors.
const hubName = "dept"

// hubVersion is the library's whose files are written.
const hubVersion = "adapters.1.3.0"

// Hub is what an adapter_config.json of the adapters library says besides what an
// adapter is like.
type Hub struct {
	Name       string `json:"name"`
	Width      int    `json:"hidden_size"` // d, the model's d_model
	ModelType  string `json:"model_type"`
	ModelClass string `json:"model_class"`
	// Version is of the library. Without one it takes gelu for gelu_new.
	Version string `json:"version"`
}

// newHub is that of an adapter that is made here.
func newHub(d nn.Description) Hub {
	return Hub{Name: hubName, Width: d.Width, ModelType: "t5", ModelClass: "T5ForConditionalGeneration", Version: hubVersion}
}

// fits refuses a model of another width.
func (h *Hub) fits(d nn.Description) error {
	if h.Width != d.Width {
		return fmt.Errorf("the adapter is for a model of width %d (hidden_size), and this model's width is %d (d_model): give the model it was trained on", h.Width, d.Width)
	}
	return nil
}

// own gives a file's tensors the names that they have here, whatever the adapter's name
// is and wherever its model has the T5.
func (h *Hub) own(file []Tensor) []Tensor {
	named := make([]Tensor, len(file))
	for i, t := range file {
		t.Name = strings.TrimPrefix(t.Name, "transformer.")
		for _, at := range []string{".adapters.", ".prefix_tunings."} {
			t.Name = strings.Replace(t.Name, at+h.Name+".", at+hubName+".", 1)
		}
		named[i] = t
	}
	h.Name = hubName
	return named
}
