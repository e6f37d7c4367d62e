package main

import (
	"encoding/json"
	"fmt"
)

// incoming makes the messages that the page sends, by type.
var incoming = map[string]func(data []byte) (Message, error){
	Load{}.kind():     parse[Load],
	Train{}.kind():    parse[Train],
	Pause{}.kind():    parse[Pause],
	Resume{}.kind():   parse[Resume],
	StepOnce{}.kind(): parse[StepOnce],
	Restore{}.kind():  parse[Restore],
	Forget{}.kind():   parse[Forget],
	Stop{}.kind():     parse[Stop],
	Compare{}.kind():  parse[Compare],
	Survey{}.kind():   parse[Survey],
	Measure{}.kind():  parse[Measure],
	Predict{}.kind():  parse[Predict],
	Look{}.kind():     parse[Look],
	Export{}.kind():   parse[Export],
	Import{}.kind():   parse[Import],
	AskRows{}.kind():  parse[AskRows],
	Reset{}.kind():    parse[Reset],
	Cancel{}.kind():   parse[Cancel],
	Bench{}.kind():    parse[Bench],
	AskKept{}.kind():  parse[AskKept],
	Remove{}.kind():   parse[Remove],
}

func parse[M Message](data []byte) (Message, error) {
	var m M
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("message %q: %w", m.kind(), err)
	}
	return m, nil
}

// decode reads a message to the worker as JSON, bytes in base64.
func decode(data []byte) (Message, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("a message must be an object with a type: %w", err)
	}
	make, ok := incoming[head.Type]
	if !ok {
		return nil, fmt.Errorf("there is no message of type %q", head.Type)
	}
	return make(data)
}

// encode writes a message as JSON, its type in front.
func encode(m Message) ([]byte, error) {
	fields, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("message %q: %w", m.kind(), err)
	}
	out := fmt.Appendf(nil, `{"type":%q`, m.kind())
	if len(fields) > len("{}") {
		out = append(out, ',')
	}
	return append(out, fields[1:]...), nil
}
