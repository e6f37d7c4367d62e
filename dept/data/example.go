package data

import "fmt"

// Example is a row as the model sees it: ids of the source and of the target,
// each with its end token. Several passages can share a row: none sees another.
type Example struct {
	Source, Target []int32
	Parts          []Part // nil is one passage, the whole
}

// Ignored is the id of a target position that does not count: the loss leaves
// it out.
const Ignored = -100

// Part is where a passage of a row ends: the ends, within Source and Target, of
// its ids. It begins where the one before ends.
type Part struct{ Source, Target int }

// Passages are the ends of the row's passages, at least one. Parts that do not
// fill the row, or have no ids of one kind, are an error.
func (x Example) Passages() ([]Part, error) {
	whole := Part{len(x.Source), len(x.Target)}
	if x.Parts == nil {
		return []Part{whole}, nil
	}
	var last Part
	for i, p := range x.Parts {
		if p.Source <= last.Source || p.Target <= last.Target {
			return nil, fmt.Errorf("part %d ends at %d source and %d target ids, the one before at %d and %d", i+1, p.Source, p.Target, last.Source, last.Target)
		}
		last = p
	}
	if last != whole {
		return nil, fmt.Errorf("the parts end at %d source and %d target ids of %d and %d", last.Source, last.Target, whole.Source, whole.Target)
	}
	return x.Parts, nil
}

// Examples gives rows by number. It may be asked from another goroutine than
// the one that trains, one call at a time.
type Examples interface {
	Len() int
	Example(i int) (Example, error)
}
