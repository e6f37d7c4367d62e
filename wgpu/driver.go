package wgpu

import "context"

// deviceDriver is what a platform must offer. Arguments arrive checked.
type deviceDriver interface {
	newBuffer(label string, size int64) (bufferDriver, error)
	newPipeline(ctx context.Context, label, wgsl, entry string) (pipelineDriver, error)
	newBindGroup(p pipelineDriver, bindings []Binding) (bindGroupDriver, error)
	write(b bufferDriver, offset int64, data []byte) error
	readLater(b bufferDriver, offset, size int64) (readbackDriver, error)
	submit(lists [][]Dispatch) error
	wait(ctx context.Context) error
	release()
}

type bufferDriver interface{ release() }

type pipelineDriver any

type bindGroupDriver interface{ release() }

type readbackDriver interface {
	wait(ctx context.Context, dst []byte) error
}
