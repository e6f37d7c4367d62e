package nn

import (
	"fmt"
	"strings"
)

// Description says what a model is made of: which tensors, of which sizes, and
// how its blocks put them together.
type Description struct {
	Width      int     // d, of the stream that runs through the blocks
	Vocabulary int     // rows of the embedding
	Embedding  string  // tensor [vocabulary, d]
	Head       string  // tensor [vocabulary, d] of the output; it may be Embedding
	HeadScale  float32 // multiplies the states before Head
	Epsilon    float32 // of the norms
	Encoder    Stack
	Decoder    Stack

	Start, End, Pad int // token ids: the decoder's first, a text's last, padding
}

// Stack is an encoder or a decoder: blocks, and a norm behind them.
type Stack struct {
	Name   string // begins the names of its sites: "encoder"
	Blocks []Block
	Norm   string        // tensor [d]
	Bias   *RelativeBias // of the scores of every self-attention
	Causal bool          // positions see those before them alone
}

// RelativeBias is T5's: a table [Buckets, heads] by the distance's bucket.
type RelativeBias struct {
	Tensor               string
	Buckets, MaxDistance int
	Bidirectional        bool
}

// Block is a list of sublayers, each x + f(norm(x)).
type Block []Sublayer

// Sublayer is attention or a feed-forward network behind its norm.
type Sublayer struct {
	Name        string // "self", "cross" or "ff": a part of the names of its sites
	Module      string // as the checkpoint names it: begins its tensors' names
	Norm        string // tensor [d]
	Attention   *Attention
	FeedForward *FeedForward
}

// Attention projects to heads, attends and projects back.
type Attention struct {
	Heads, HeadDim int
	Q, K, V, O     Linear
	Cross          bool // keys and values are of the encoder's states
}

// FeedForward is Out·relu(In·x), or with two weights in Out·(gelu(In[0]·x) ⊙ In[1]·x).
type FeedForward struct {
	In  []Linear
	Out Linear
}

// Linear is a weight [Out, In].
type Linear struct {
	Name    string // the last part of its site's name: "q"
	Tensor  string
	In, Out int
}

// Tensor is the name and the shape of a tensor that a checkpoint must have.
type Tensor struct {
	Name  string
	Shape []int
}

// Tensors lists the tensors of a model: the embedding, the stacks block by block,
// and the output table where it is not the embedding.
func (d Description) Tensors() []Tensor {
	list := []Tensor{{d.Embedding, []int{d.Vocabulary, d.Width}}}
	linear := func(ls ...Linear) {
		for _, l := range ls {
			list = append(list, Tensor{l.Tensor, []int{l.Out, l.In}})
		}
	}
	for _, s := range []Stack{d.Encoder, d.Decoder} {
		biased := s.Bias == nil
		for _, b := range s.Blocks {
			for _, l := range b {
				for _, group := range l.groups() {
					linear(group...)
				}
				if a := l.Attention; a != nil && !a.Cross && !biased {
					// The one table stands with the first block that reads it.
					list = append(list, Tensor{s.Bias.Tensor, []int{s.Bias.Buckets, a.Heads}})
					biased = true
				}
				list = append(list, Tensor{l.Norm, []int{d.Width}})
			}
		}
		list = append(list, Tensor{s.Norm, []int{d.Width}})
	}
	if d.Head != d.Embedding {
		list = append(list, Tensor{d.Head, []int{d.Vocabulary, d.Width}})
	}
	return list
}

// Parameters is the number of a model's weights.
func (d Description) Parameters() (n int) {
	for _, t := range d.Tensors() {
		size := 1
		for _, s := range t.Shape {
			size *= s
		}
		n += size
	}
	return n
}

// Site is a place where the model multiplies by a weight: what methods such as
// LoRA choose among.
type Site struct {
	Name    string // of the place in the model: "encoder.3.self.q"
	Module  string // as the checkpoint names it: its tensor's name without ".weight"
	In, Out int
	Shared  bool // other sites multiply the same input, and one product serves them all
}

// Norms lists the norms as sites, those of each stack's blocks in order and then the
// one behind them: a norm multiplies by its weight number by number.
func (d Description) Norms() []Site {
	var norms []Site
	for _, s := range []Stack{d.Encoder, d.Decoder} {
		for i, b := range s.Blocks {
			for _, l := range b {
				norms = append(norms, d.norm(d.place(s, i, l).Name, l.Norm))
			}
		}
		norms = append(norms, d.norm(s.Name, s.Norm))
	}
	return norms
}

func (d Description) norm(place, tensor string) Site {
	return Site{Name: place + ".norm", Module: strings.TrimSuffix(tensor, ".weight"), In: d.Width, Out: d.Width}
}

// Tensor is the name of the site's weight in the checkpoint.
func (s Site) Tensor() string { return s.Module + ".weight" }

// Place is a sublayer of a block: where something can follow it.
type Place struct {
	Name    string // "encoder.3.ff"
	Module  string // "encoder.block.3.layer.1", as the checkpoint names it
	Kind    string // the sublayer's name: "self", "cross" or "ff"
	Encoder bool   // it is one of the encoder's
	Width   int    // of the stream
	Inner   int    // of all heads together; 0 where nothing attends
}

// Sites lists the sites of all blocks in order.
func (d Description) Sites() []Site {
	var sites []Site
	d.walk(func(p Place, l Sublayer) {
		for _, group := range l.groups() {
			sites = append(sites, p.sites(group)...)
		}
	})
	return sites
}

// Places lists the sublayers of all blocks in order.
func (d Description) Places() []Place {
	var places []Place
	d.walk(func(p Place, _ Sublayer) { places = append(places, p) })
	return places
}

func (d Description) walk(do func(Place, Sublayer)) {
	for _, s := range []Stack{d.Encoder, d.Decoder} {
		for i, b := range s.Blocks {
			for _, l := range b {
				do(d.place(s, i, l), l)
			}
		}
	}
}

// place is where a sublayer of block i of a stack stands.
func (d Description) place(s Stack, i int, l Sublayer) Place {
	p := Place{Name: fmt.Sprintf("%s.%d.%s", s.Name, i, l.Name), Module: l.Module, Kind: l.Name, Encoder: s.Name == d.Encoder.Name, Width: d.Width}
	if l.Attention != nil {
		p.Inner = l.Attention.Heads * l.Attention.HeadDim
	}
	return p
}

// sites are those of weights that multiply one input.
func (p Place) sites(group []Linear) []Site {
	var sites []Site
	for _, l := range group {
		sites = append(sites, Site{
			Name: p.Name + "." + l.Name, Module: strings.TrimSuffix(l.Tensor, ".weight"), In: l.In, Out: l.Out, Shared: len(group) > 1,
		})
	}
	return sites
}

// groups lists a sublayer's weights, those that multiply one input together.
func (l Sublayer) groups() [][]Linear {
	if f := l.FeedForward; f != nil {
		return [][]Linear{f.In, {f.Out}}
	}
	a := l.Attention
	if a.Cross {
		return [][]Linear{{a.Q}, {a.K, a.V}, {a.O}}
	}
	return [][]Linear{{a.Q, a.K, a.V}, {a.O}}
}
