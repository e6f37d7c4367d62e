package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall/js"
	"time"
)

// tabVault is the vault in the browser's private storage:
//
//	runs/0.safetensors, runs/1.safetensors
//
// A Web Lock says whose it is, for as long as a tab lives.
type tabVault struct{ release js.Value }

const (
	runsFolder = "runs"
	runsLock   = "dept run"
)

// A tab that is reloaded may still have the lock for a moment.
const (
	lockTries = 5
	lockPause = 200 * time.Millisecond
)

func (v *tabVault) take(ctx context.Context) (bool, error) {
	if _, err := storageFolderNamed(ctx, runsFolder); err != nil {
		return false, vaultError(err)
	}
	for range lockTries {
		if ok, err := v.lock(); ok || err != nil {
			return ok, err
		}
		time.Sleep(lockPause)
	}
	return false, nil
}

// lock asks for the lock, which is held until release is called.
func (v *tabVault) lock() (ok bool, err error) {
	defer catch(&err)
	locks := js.Global().Get("navigator").Get("locks")
	if !locks.Truthy() {
		return false, errors.New("it cannot tell tabs apart")
	}
	type outcome struct {
		release js.Value
		err     error
	}
	settled := make(chan outcome, 2)
	var held, hold, failed js.Func
	hold = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- outcome{release: args[0]}
		return nil
	})
	held = js.FuncOf(func(_ js.Value, args []js.Value) any {
		if !args[0].Truthy() {
			settled <- outcome{}
			return nil
		}
		return js.Global().Get("Promise").New(hold)
	})
	failed = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settled <- outcome{err: errors.New(js.Global().Get("String").Invoke(args[0]).String())}
		return nil
	})
	locks.Call("request", runsLock, map[string]any{"ifAvailable": true}, held).Call("catch", failed)
	o := <-settled
	held.Release()
	hold.Release()
	failed.Release()
	if o.err != nil || !o.release.Truthy() {
		return false, o.err
	}
	v.release = o.release
	return true, nil
}

func (v *tabVault) give() {
	if v.release.Truthy() {
		v.release.Invoke()
		v.release = js.Undefined()
	}
}

func (v *tabVault) read(ctx context.Context, name string) (data []byte, err error) {
	defer catch(&err)
	dir, err := storageFolderNamed(ctx, runsFolder)
	if err != nil {
		return nil, err
	}
	blob, err := dir.blob(ctx, name)
	if err != nil {
		return nil, err
	}
	buffer, err := await(ctx, blob.Call("arrayBuffer"))
	if err != nil {
		return nil, err
	}
	return fromJS(uint8Array.New(buffer))
}

func (v *tabVault) write(ctx context.Context, name string, data []byte) error {
	return vaultError(v.overwrite(ctx, name, data))
}

func (v *tabVault) overwrite(ctx context.Context, name string, data []byte) (err error) {
	defer catch(&err)
	dir, err := storageFolderNamed(ctx, runsFolder)
	if err != nil {
		return err
	}
	f, err := dir.open(ctx, name)
	if err != nil {
		return err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil {
		_, err = f.Write(data)
	}
	return errors.Join(err, f.Close())
}

// vaultError is err, or errVaultFull where it says that.
func vaultError(err error) error {
	if isStorageFull(err) {
		return errVaultFull
	}
	return err
}

func (v *tabVault) clear(ctx context.Context) error {
	dir, err := storageFolderNamed(ctx, runsFolder)
	if err != nil {
		return err
	}
	for _, name := range slots {
		if err := removeEntry(ctx, dir.handle, name); err != nil && !strings.Contains(err.Error(), "NotFoundError") && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
