package main

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
)

var uint8Array = js.Global().Get("Uint8Array")

func toJS(data []byte) js.Value {
	a := uint8Array.New(len(data))
	js.CopyBytesToJS(a, data)
	return a
}

func fromJS(v js.Value) ([]byte, error) {
	if !v.InstanceOf(uint8Array) {
		return nil, errors.New("its data is no Uint8Array")
	}
	data := make([]byte, v.Length())
	js.CopyBytesToGo(data, v)
	return data, nil
}

// catch turns a JavaScript exception into an error.
func catch(err *error) {
	switch thrown := recover().(type) {
	case nil:
	case js.Error:
		*err = thrown
	case error:
		*err = thrown // syscall/js' own: a value of another kind than expected
	default:
		panic(thrown)
	}
}

// await waits for a promise.
func await(ctx context.Context, promise js.Value) (js.Value, error) {
	type outcome struct {
		value js.Value
		err   error
	}
	settled := make(chan outcome, 1)
	var done, failed js.Func
	finish := func(o outcome) any {
		done.Release()
		failed.Release()
		settled <- o
		return nil
	}
	done = js.FuncOf(func(_ js.Value, args []js.Value) any { return finish(outcome{value: args[0]}) })
	failed = js.FuncOf(func(_ js.Value, args []js.Value) any {
		return finish(outcome{err: fmt.Errorf("%s", js.Global().Get("String").Invoke(args[0]).String())})
	})
	promise.Call("then", done, failed)
	select {
	case o := <-settled:
		return o.value, o.err
	case <-ctx.Done():
		return js.Undefined(), ctx.Err()
	}
}
