// Command wasm is the program behind the page: it runs in a web worker, trains
// and answers there, and talks to the page in messages.
//
// # Protocol
//
// A message is a plain object with a string in type; the other fields are those
// of the Go type of that name, spelled as its json tags say. Numbers are finite,
// absent fields are zero, empty or false, and bytes are a Uint8Array. Texts are
// for people and may change; type, code, state and method do not.
//
// The page makes a module-less worker of worker.js, waits for tasks, sends load,
// waits for ready, and sends whatever it likes from then on, at any time.
//
// To the worker:
//
//	load     {model}                fetches a model and puts it on a device; also after device-lost
//	train    {settings, paused}     begins a run, from a fresh adapter; with paused before its first step
//	pause    {}                     halts the run after the step at hand
//	resume   {}                     goes on
//	step     {}                     halts, and does one step
//	stop     {}                     ends the run after an evaluation, the second time without; its adapter stays
//	compare  {}                     trains prompt tuning with as many parameters as the run had
//	predict  {id, text, task, zeroPrompt, zeroShift}   answered between two steps
//	export   {}                     asks for the adapter as it stands
//	import   {files}                takes an adapter, from its files or their zip
//	rows     {task}                 asks for a task's rows
//	reset    {}                     ends the run and forgets the adapter
//	cancel   {}                     gives up what takes long: load, evaluation, compare
//	bench    {what, shape}          times a part of T5; needs no model
//
// From the worker:
//
//	tasks       first of all: what the page can offer, before there is any device
//	state       whenever it changes: empty, loading, ready, training, paused
//	progress    bytes while loading, rows while evaluating
//	ready       device and model
//	plan        what a run will train and how much memory it takes, once per run
//	step        every update, in order, at most two steps late
//	evaluation  before the first step, every evalEvery steps, and at the end
//	sample      the adapter in pictures, with each evaluation and about four times a second
//	done        the run has ended
//	comparison  the end of compare
//	answer      to predict
//	adapter     to export: a zip of the folder that the command line writes
//	imported    to import
//	rows        to rows
//	benched     to bench
//	error       what happened and what to do; the worker goes on
//
// train is answered by plan, state training, sample and evaluation of step 0,
// then steps, evaluations and samples, done, state ready. compare is the same
// with method pt, and ends with comparison instead of done. An error during a run
// ends the run; the adapter that was last good stays. After device-lost the state
// is empty: load again. When the program itself ends, which takes a lack of memory
// or a bug, worker.js says so in an error during start and begins anew with tasks.
//
// The page lets the rank follow the prompt length under a budget of l vectors by
//
//	r = floor((l − m)·d / (s + d)), 0 where m ≥ l
//
// with d = ready.model.width and s = settings.maxSourceLength.
package main

// Message is anything that goes from or to the page.
type Message interface{ kind() string }

// Settings are a run's; seed, settings and data decide every number of it on
// one device.
type Settings struct {
	Task            string  `json:"task"`            // of tasks; empty for rows of one's own
	Rows            string  `json:"rows,omitempty"`  // one's own rows: text and label by tab, comma or as JSON lines, with or without a header
	Method          string  `json:"method"`          // dept, or pt for prompt tuning (then rank and lrLowRank mean nothing)
	PromptLength    int     `json:"promptLength"`    // m
	Rank            int     `json:"rank"`            // r
	MaxSourceLength int     `json:"maxSourceLength"` // s, tokens; longer texts are cut
	PromptInit      string  `json:"promptInit"`      // where P starts: text, vocab or random; empty is text
	LRPrompt        float64 `json:"lrPrompt"`
	LRLowRank       float64 `json:"lrLowRank"`
	Warmup          int     `json:"warmup"` // steps in which the rates rise
	Steps           int     `json:"steps"`
	Batch           int     `json:"batch"`
	Seed            uint64  `json:"seed"`      // up to 2⁵³
	EvalEvery       int     `json:"evalEvery"` // steps between evaluations; 0 is at both ends only
}

// Load asks for a model.
type Load struct {
	Model string `json:"model"` // URL of its folder, relative to the worker; empty is the one beside the page
}

// Train begins a run.
type Train struct {
	Settings Settings `json:"settings"`
	Paused   bool     `json:"paused"`
}

// Pause, Resume, StepOnce, Stop, Compare, Export, Reset and Cancel have no fields.
type (
	Pause    struct{}
	Resume   struct{}
	StepOnce struct{}
	Stop     struct{}
	Compare  struct{}
	Export   struct{}
	Reset    struct{}
	Cancel   struct{}
)

// Predict asks for the answer to a text.
type Predict struct {
	ID         int    `json:"id"` // comes back in the answer, or in the error
	Text       string `json:"text"`
	Task       string `json:"task"`       // of tasks: whose labels are scored; empty for those of the last run
	ZeroPrompt bool   `json:"zeroPrompt"` // with P as zeros
	ZeroShift  bool   `json:"zeroShift"`  // with A·B as zeros
}

// Import brings an adapter: its two files, or one zip that holds them.
type Import struct {
	Files []File `json:"files"`
}

// File is a file's name and contents.
type File struct {
	Name string `json:"name"`
	Data []byte `json:"data"` // a Uint8Array in JavaScript
}

// AskRows asks for a task's rows.
type AskRows struct {
	Task string `json:"task"`
}

// Bench asks for the time of a part of T5.
type Bench struct {
	What string `json:"what"` // matmul, attention or block
	// Shape is rows, inputs and outputs of a matmul; batch, heads, head size and
	// length of attention; batch, length, width and feed-forward width of a block.
	Shape []int `json:"shape"`
}

// Tasks says what the page can offer.
type Tasks struct {
	Tasks []TaskInfo `json:"tasks"`
}

// TaskInfo describes a task that comes with the page.
type TaskInfo struct {
	Name     string   `json:"name"`  // for settings.task
	Title    string   `json:"title"` // for people
	About    string   `json:"about"` // one sentence
	Labels   []string `json:"labels"`
	Train    int      `json:"train"`    // rows
	HeldBack int      `json:"heldBack"` // rows that accuracy is measured on
	Examples []Row    `json:"examples"` // a few
	Settings Settings `json:"settings"` // good ones to begin with
	Budget   int      `json:"budget"`   // l, in vectors of the model's width
}

// Row is a text and its label, as people read them.
type Row struct {
	Text  string `json:"text"`
	Label string `json:"label"`
}

// State says what the worker is at.
type State struct {
	State  string `json:"state"`            // empty, loading, ready, training or paused
	Method string `json:"method,omitempty"` // of the run
	Step   int    `json:"step"`             // done so far
	Steps  int    `json:"steps"`
}

// The worker's states.
const (
	stateEmpty    = "empty" // nothing is loaded
	stateLoading  = "loading"
	stateReady    = "ready"
	stateTraining = "training"
	statePaused   = "paused"
)

// Progress says how far something is.
type Progress struct {
	What   string `json:"what"` // such as "model.safetensors" or "evaluation"
	Unit   string `json:"unit"` // bytes or rows
	Done   int64  `json:"done"`
	Total  int64  `json:"total"`  // 0 where nobody knows
	Cached bool   `json:"cached"` // from the last visit
}

// Ready says what there is to work with.
type Ready struct {
	Device Device `json:"device"`
	Model  Model  `json:"model"`
}

// Device describes the adapter that the browser gives.
type Device struct {
	Name    string `json:"name"`
	Type    string `json:"type"` // discrete-gpu, integrated-gpu, other or cpu
	Backend string `json:"backend"`
}

// Model describes the frozen T5.
type Model struct {
	Name       string `json:"name"`
	Parameters int    `json:"parameters"`
	Bytes      int64  `json:"bytes"` // on the device
	Width      int    `json:"width"` // d
	Blocks     [2]int `json:"blocks"`
	Vocabulary int    `json:"vocabulary"`
}

// Plan says what a run trains.
type Plan struct {
	Method          string   `json:"method"`
	Settings        Settings `json:"settings"`   // with what was left open filled in
	Parameters      int      `json:"parameters"` // trained
	Share           float64  `json:"share"`      // of all, 0 to 1
	Sequence        int      `json:"sequence"`   // longest the encoder reads: m + s
	Train           int      `json:"train"`      // rows
	HeldBack        int      `json:"heldBack"`   // rows
	Labels          []string `json:"labels"`
	WeightBytes     int64    `json:"weightBytes"`
	StateBytes      int64    `json:"stateBytes"`      // gradients and moments
	ActivationBytes int64    `json:"activationBytes"` // of the largest batch
}

// Step is an update.
type Step struct {
	Method          string  `json:"method"`
	Step            int     `json:"step"` // from 1
	Steps           int     `json:"steps"`
	Loss            float64 `json:"loss"` // mean over the target tokens
	LRPrompt        float64 `json:"lrPrompt"`
	LRLowRank       float64 `json:"lrLowRank"`
	GradNorm        float64 `json:"gradNorm"` // of all gradients, before clipping
	GradPrompt      float64 `json:"gradPrompt"`
	GradA           float64 `json:"gradA"`
	GradB           float64 `json:"gradB"`
	MS              float64 `json:"ms"` // this update took, evaluations left out
	Tokens          int     `json:"tokens"`
	TokensPerSecond float64 `json:"tokensPerSecond"`
}

// Evaluation scores the adapter on the rows held back.
type Evaluation struct {
	Method   string    `json:"method"`
	Step     int       `json:"step"`
	Accuracy float64   `json:"accuracy"` // 0 to 1
	Chance   float64   `json:"chance"`   // of always naming the commonest label
	Rows     int       `json:"rows"`
	Cut      int       `json:"cut"`      // texts too long
	Examples []Example `json:"examples"` // the same five each time
}

// Example is a row and what was predicted.
type Example struct {
	Text   string `json:"text"`
	Label  string `json:"label"`
	Answer string `json:"answer"` // a label's name, or whatever the model wrote
	Right  bool   `json:"right"`
}

// Sample is the adapter in pictures.
type Sample struct {
	Method        string    `json:"method"`
	Step          int       `json:"step"`
	PromptSizes   []float32 `json:"promptSizes"`   // |P_i|, m of them
	ShiftSizes    []float32 `json:"shiftSizes"`    // |scale·(A·B)_t| of text position t, s of them; empty without a shift
	EmbeddingSize float32   `json:"embeddingSize"` // mean |E(x)|, to compare with
	Heat          *Heat     `json:"heat"`          // scale·A·B; null without a shift
}

// Heat is a matrix made small: each value is the one of largest size, sign
// kept, in its block of the matrix.
type Heat struct {
	Rows    int       `json:"rows"`    // at most 64, of text positions
	Columns int       `json:"columns"` // at most 96, of the model's width
	Values  []float32 `json:"values"`  // row by row
	Largest float32   `json:"largest"` // size of any value
}

// Done ends a run.
type Done struct {
	Method   string  `json:"method"`
	Step     int     `json:"step"`
	Stopped  bool    `json:"stopped"` // before its last step
	Accuracy float64 `json:"accuracy"`
	Seconds  float64 `json:"seconds"`
	Cut      int     `json:"cut"` // rows it learnt from that were too long
}

// Comparison is DePT beside prompt tuning with as many parameters.
type Comparison struct {
	Rows []Compared `json:"rows"` // the run, then prompt tuning
}

// Compared is a method's line in a comparison.
type Compared struct {
	Method       string  `json:"method"`
	PromptLength int     `json:"promptLength"`
	Rank         int     `json:"rank"`
	Parameters   int     `json:"parameters"`
	Sequence     int     `json:"sequence"` // m + s
	MS           float64 `json:"ms"`       // median of a step
	Step         int     `json:"step"`     // trained so far
	Accuracy     float64 `json:"accuracy"`
}

// Answer is the reply to a Predict.
type Answer struct {
	ID     int     `json:"id"`
	Text   string  `json:"text"`   // as asked
	Answer string  `json:"answer"` // a label's name, or whatever the model wrote
	Scores []Score `json:"scores"` // of each label; empty without labels
	Tokens []Token `json:"tokens"` // as the encoder reads them
	Cut    bool    `json:"cut"`    // the text was too long
	Notice string  `json:"notice"` // a sentence about it, else empty
	MS     float64 `json:"ms"`
}

// Score is how likely a label is among the labels.
type Score struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"` // the labels' sum is 1
}

// Token is a piece of the text with the size of its shift.
type Token struct {
	Text  string  `json:"text"`
	Shift float32 `json:"shift"` // |scale·(A·B)_t|, 0 without a shift
}

// AdapterZip is the adapter's folder, zipped.
type AdapterZip struct {
	File
}

// Imported says that an adapter has been taken.
type Imported struct {
	PromptLength    int    `json:"promptLength"`
	Rank            int    `json:"rank"`
	MaxSourceLength int    `json:"maxSourceLength"`
	Parameters      int    `json:"parameters"`
	Notice          string `json:"notice"` // a warning, else empty
}

// Rows are a task's rows as tab-separated text with a header, fit for
// settings.rows.
type Rows struct {
	Task string `json:"task"`
	Text string `json:"text"`
}

// Benched is the reply to a Bench.
type Benched struct {
	Device  Device        `json:"device"`
	Results []BenchResult `json:"results"` // of a block two: forward, and with the gradient of its input
}

// BenchResult is the time of one computation.
type BenchResult struct {
	What   string  `json:"what"`
	Shape  []int   `json:"shape"`
	MS     float64 `json:"ms"` // median
	GFLOPs float64 `json:"gflops"`
	Error  float64 `json:"error"` // of a sample against float64, root mean square, relative
	Right  bool    `json:"right"` // it is as small as it should be
}

// Error says what went wrong. The worker goes on.
type Error struct {
	Code    string `json:"code"`
	During  string `json:"during"`  // the type of the message that asked for it
	ID      int    `json:"id"`      // of a predict
	Message string `json:"message"` // a sentence
	Remedy  string `json:"remedy"`  // a sentence: what to do
}

// The codes of errors.
const (
	codeNoWebGPU   = "no-webgpu"   // the browser gives no adapter
	codeDeviceLost = "device-lost" // load again
	codeLimit      = "limit"       // something does not fit the device
	codeMemory     = "memory"      // device or tab has no more
	codeNetwork    = "network"     // a file could not be fetched
	codeFile       = "file"        // a file is damaged or not what it should be
	codeAdapter    = "adapter"     // the adapter is broken or of another model
	codeRows       = "rows"        // a row is wrong; its line is named
	codeSettings   = "settings"    // a setting makes no sense; it is named
	codeNotFinite  = "not-finite"  // loss or gradient
	codeOrder      = "order"       // nothing is loaded, or there is no run
	codeCancelled  = "cancelled"   // by cancel
	codeBug        = "bug"         // ours
)

func (Load) kind() string     { return "load" }
func (Train) kind() string    { return "train" }
func (Pause) kind() string    { return "pause" }
func (Resume) kind() string   { return "resume" }
func (StepOnce) kind() string { return "step" }
func (Stop) kind() string     { return "stop" }
func (Compare) kind() string  { return "compare" }
func (Predict) kind() string  { return "predict" }
func (Export) kind() string   { return "export" }
func (Import) kind() string   { return "import" }
func (AskRows) kind() string  { return "rows" }
func (Reset) kind() string    { return "reset" }
func (Cancel) kind() string   { return "cancel" }
func (Bench) kind() string    { return "bench" }

func (Tasks) kind() string      { return "tasks" }
func (State) kind() string      { return "state" }
func (Progress) kind() string   { return "progress" }
func (Ready) kind() string      { return "ready" }
func (Plan) kind() string       { return "plan" }
func (Step) kind() string       { return "step" }
func (Evaluation) kind() string { return "evaluation" }
func (Sample) kind() string     { return "sample" }
func (Done) kind() string       { return "done" }
func (Comparison) kind() string { return "comparison" }
func (Answer) kind() string     { return "answer" }
func (AdapterZip) kind() string { return "adapter" }
func (Imported) kind() string   { return "imported" }
func (Rows) kind() string       { return "rows" }
func (Benched) kind() string    { return "benched" }
func (Error) kind() string      { return "error" }
