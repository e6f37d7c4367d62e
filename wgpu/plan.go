package wgpu

import (
	"context"
	"errors"
	"io"
)

// OpenPlan makes a device on paper: programs are recorded on it, planned and counted
// for hardware that is not at hand, and compute nothing. Its buffers have a size and
// no memory; reading one is an error.
func OpenPlan(info AdapterInfo, limits Limits) *Device {
	return &Device{drv: plan{}, info: info, limits: limits, features: info.Features}
}

// ErrPlan is what reading from a device of OpenPlan returns.
var ErrPlan = errors.New("the device is a plan, which computes nothing")

// plan is the driver of a device on paper.
type plan struct{}

func (plan) newBuffer(string, int64) (bufferDriver, error) { return plan{}, nil }

func (plan) newPipeline(context.Context, string, string, string) (pipelineDriver, error) {
	return nil, nil
}

func (plan) newBindGroup(pipelineDriver, []Binding) (bindGroupDriver, error) { return plan{}, nil }

func (plan) write(bufferDriver, int64, []byte) error { return nil }

// writeFrom takes all there is and reads none of it.
func (plan) writeFrom(context.Context, bufferDriver, int64, io.ReaderAt, int64, int64) (bool, error) {
	return true, nil
}

func (plan) readLater(bufferDriver, int64, int64) (readbackDriver, error) { return nil, ErrPlan }

func (plan) submit([][]Dispatch) error { return nil }

func (plan) wait(context.Context) error { return nil }

func (plan) release() {}
