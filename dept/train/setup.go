package train

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/go-dept/dept/dept"
	"github.com/go-dept/dept/nn"
	"github.com/go-dept/dept/t5"
	"github.com/go-dept/dept/tensor"
	"github.com/go-dept/dept/text"
	"github.com/go-dept/dept/wgpu"
)

// Setup is what sessions and predictors work with: a model on a device, and its
// tokenizer.
type Setup struct {
	Name        string // of the model, as adapters name their base
	Commit      string // of the model on the hub, or empty
	Device      *wgpu.Device
	Engine      *tensor.Engine
	Checkpoint  *t5.Checkpoint
	Tokenizer   *text.Tokenizer
	Model       *nn.Model
	Fingerprint string // of the model
	Run         string // Opening's

	trainable bool // Opening's
	lent      bool // the device is the caller's
}

// Opening says which model to open and where. Only Files must be there.
type Opening struct {
	Name   string // of the model, which adapters will call their base
	Commit string // of a model of the hub's
	Files  fs.FS  // the model's folder
	// Device is the device to open the model on, which may have others and stays the
	// caller's; nil opens one of an adapter whose name contains DeviceName.
	Device     *wgpu.Device
	DeviceName string
	// Kernels, if set, says what kernels are chosen by on the device. Run is the folder
	// of a run that is to go on, whose own count then, or empty.
	Kernels   func(*wgpu.Device) (tensor.Kernels, error)
	Run       string
	Trainable bool // for a method that trains the model's own weights
	// Halve, if set, says whether float32 weights are to lie on the device as float16.
	Halve func(context.Context, *wgpu.Device, *t5.Checkpoint) (bool, error)
	// Unnamed leaves the Setup's Fingerprint empty, which takes reading all weights
	// and which only training and adapters ask for.
	Unnamed bool
}

// The parts of a model that can fail to open.
const (
	PartTokenizer  = "tokenizer"
	PartCheckpoint = "checkpoint"
	PartDevice     = "device"
	PartWeights    = "weights" // on the device
)

// OpenError says which part of a model failed to open.
type OpenError struct {
	Part string
	Err  error
}

func (e *OpenError) Error() string { return e.Err.Error() }

func (e *OpenError) Unwrap() error { return e.Err }

// OpenSetup opens a model: its files first, since a mistake in a path shows there at
// once.
func OpenSetup(ctx context.Context, o Opening) (*Setup, error) {
	s := &Setup{Name: o.Name, Commit: o.Commit, Device: o.Device, Run: o.Run, trainable: o.Trainable, lent: o.Device != nil}
	for _, part := range []struct {
		name string
		open func() error
	}{
		{PartCheckpoint, func() (err error) {
			if s.Checkpoint, err = t5.OpenCheckpointFS(o.Files); err != nil {
				return fmt.Errorf("opening checkpoint %s: %w", o.Name, err)
			}
			return nil
		}},
		{PartTokenizer, func() (err error) {
			if s.Tokenizer, err = text.OpenFS(o.Files); err != nil {
				return fmt.Errorf("opening tokenizer of %s: %w", o.Name, err)
			}
			return nil
		}},
		{PartDevice, func() (err error) {
			if s.Device == nil {
				if s.Device, err = wgpu.Open(ctx, o.DeviceName); err != nil {
					return err
				}
			}
			if s.Engine, err = tensor.NewEngine(s.Device); err != nil {
				return err
			}
			return s.choose(o)
		}},
		{PartWeights, func() (err error) {
			if o.Halve != nil {
				half, err := o.Halve(ctx, s.Device, s.Checkpoint)
				if err != nil {
					return err
				}
				if half {
					s.Checkpoint.Halve()
				}
			}
			s.Model, err = t5.Load(ctx, s.Engine, s.Checkpoint, o.Trainable)
			if err != nil || o.Unnamed {
				return err
			}
			s.Fingerprint, err = s.Checkpoint.Fingerprint()
			return err
		}},
	} {
		if err := part.open(); err != nil {
			s.Release()
			return nil, &OpenError{part.name, err}
		}
	}
	return s, nil
}

// Renew makes the setup as OpenSetup would make it anew of the same model, with the pipelines that were
// compiled so far. Of the opening it takes Kernels, Run and Trainable.
func (s *Setup) Renew(ctx context.Context, o Opening) error {
	before, _ := json.Marshal(s.Engine.Kernels())
	s.Run = o.Run
	if err := s.choose(o); err != nil {
		return err
	}
	now, _ := json.Marshal(s.Engine.Kernels())
	// Weights that were trained are no longer the checkpoint's.
	if !s.trainable && !o.Trainable && bytes.Equal(before, now) {
		return nil
	}
	s.trainable = o.Trainable
	s.Model.Release()
	var err error
	s.Model, err = t5.Load(ctx, s.Engine, s.Checkpoint, o.Trainable)
	return err
}

// choose tells the engine by what it chooses kernels.
func (s *Setup) choose(o Opening) error {
	if o.Run != "" {
		k, err := runKernels(o.Run)
		if err != nil || k == nil {
			return err
		}
		if err := s.Engine.Choose(*k); err != nil {
			return cannotGoOn(o.Run, err)
		}
		return nil
	}
	if o.Kernels == nil {
		return nil
	}
	k, err := o.Kernels(s.Device)
	if err != nil {
		return err
	}
	return s.Engine.Choose(k)
}

// Release gives everything back, the device too unless it was Opening's.
func (s *Setup) Release() {
	if s.Model != nil {
		s.Model.Release()
	}
	if s.Engine != nil {
		s.Engine.Release()
	}
	if s.Device != nil && !s.lent {
		s.Device.Release()
	}
	if s.Checkpoint != nil {
		s.Checkpoint.Close()
	}
}

// CheckAdapter refuses an adapter that cannot be for the model. Of one that was
// trained on another model of the same sizes it says so as advice.
func (s *Setup) CheckAdapter(a *dept.Adapter) (advice string, err error) {
	return checkAdapter(a, s.Checkpoint, func() (string, error) {
		if s.Fingerprint != "" {
			return s.Fingerprint, nil
		}
		return s.Checkpoint.Fingerprint()
	})
}

// CheckAdapter is Setup.CheckAdapter for a model that is on no device.
func CheckAdapter(a *dept.Adapter, ck *t5.Checkpoint) (advice string, err error) {
	return checkAdapter(a, ck, ck.Fingerprint)
}

func checkAdapter(a *dept.Adapter, ck *t5.Checkpoint, fingerprint func() (string, error)) (advice string, err error) {
	if err := a.Fits(ck.Config.Describe()); err != nil {
		return "", err
	}
	if a.Base.Fingerprint == "" {
		return "", nil // made by others: nobody can say
	}
	model, err := fingerprint()
	if err != nil {
		return "", err
	}
	if a.Base.Fingerprint != model {
		return fmt.Sprintf("the adapter was trained on another model (%s): it will hardly work on this one", a.Base.Model), nil
	}
	return "", nil
}
