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
// Pages of others do so through web/src/dept.mjs.
//
// To the worker:
//
//	load     {model, hub, kept, files, unkept}  opens a model and puts it on a device; also after device-lost
//	kept     {}                     asks which models of the hub are kept here
//	remove   {id}                   removes one of them; answered by kept
//	train    {settings, paused, pauseAt}  begins a run, from a fresh adapter; with paused before its first step, with pauseAt halted after that one
//	pause    {}                     halts the run after the step at hand
//	resume   {}                     goes on
//	step     {}                     halts, and does one step
//	stop     {}                     ends the run after an evaluation, the second time without; its adapter stays
//	restore  {}                     goes on with the run that interrupted told of
//	forget   {}                     removes it
//	compare  {method, part, budget}  trains another method, or a part of the run's alone, with as many parameters as the run had where it can
//	survey   {settings}             asks what one's own rows hold
//	measure  {settings, other}      asks how large an adapter of these settings is, and another method's beside it
//	predict  {id, text, task, without}   answered between two steps
//	look     {id, text, task, attention} asks what becomes of a text; likewise
//	export   {}                     asks for the adapter as it stands
//	import   {files}                takes an adapter, from its files or their zip
//	rows     {task}                 asks for a task's rows
//	reset    {}                     ends the run and forgets the adapter
//	cancel   {}                     gives up what takes long: load, evaluation, compare
//	bench    {what, shape}          times a part of T5; needs no model
//
// From the worker:
//
//	tasks       first of all: the tasks and methods that there are, before there is any device
//	state       whenever it changes: empty, loading, ready, training, paused; while paused after each step, too
//	progress    bytes while loading, rows while evaluating
//	ready       device and model
//	interrupted after ready: a run that is kept from an earlier visit, with which restore goes on
//	keeping     after plan and later: why the run is not kept any more, or empty where it is
//	restored    after the plan of restore: what there was before
//	plan        what a run will train and how much memory it takes, once per run
//	step        every update, in order, at most two steps late
//	evaluation  before the first step, every evalEvery steps, and at the end
//	sample      the adapter in pictures, with each evaluation and about four times a second
//	parts       before done, of a method of two parts: the accuracy with each counted as zero
//	done        the run has ended
//	comparison  the end of compare
//	surveyed    to survey
//	measured    to measure
//	answer      to predict
//	looked      to look
//	adapter     to export: a zip of the folder that the command line writes
//	imported    to import
//	rows        to rows
//	kept        to kept and to remove
//	benched     to bench
//	error       what happened and what to do; the worker goes on
//
// While it is idle, the worker compiles what a run of the settings of the last
// measure needs, on the rows of the last survey where they are one's own.
//
// train is answered by plan, state training, sample and evaluation of step 0,
// then steps, evaluations and samples, done, state ready. compare is the same
// for the other method, whose plan and states have twin, and ends with comparison
// instead of done. An error during a run
// ends the run; the adapter that was last good stays. After device-lost the state
// is empty: load again. When the program itself ends, which takes a lack of memory
// or a bug, worker.js says so in an error during start and begins anew with tasks.
//
// A run that is no twin is kept in the browser's storage as it goes on, when it is paused and
// when it ends, until another is begun, or reset or forget. One tab at a time keeps its run. Where
// the model was loaded unkept, there is none of this, and neither interrupted nor keeping.
//
// The page lets the rank of a shift follow the prompt length under a budget of l
// vectors by
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
	Task            string         `json:"task"`            // of tasks; empty for rows of one's own
	Rows            string         `json:"rows,omitempty"`  // one's own rows: a table with tabs, commas or semicolons, with or without a header, or JSON objects
	Method          string         `json:"method"`          // of methods
	Values          map[string]any `json:"values"`          // of the method's settings by name; those left out have their defaults
	MaxSourceLength int            `json:"maxSourceLength"` // s, tokens; longer texts are cut
	Warmup          int            `json:"warmup"`          // steps in which the rates rise
	Steps           int            `json:"steps"`
	Batch           int            `json:"batch"`
	Seed            uint64         `json:"seed"`      // up to 2⁵³
	EvalEvery       int            `json:"evalEvery"` // steps between evaluations; 0 is at both ends only

	Answer string `json:"answer,omitempty"` // rank: the likeliest of the labels; write: what the model writes; empty is rank for rows of one's own

	// Of rows of one's own:
	TextColumn  string  `json:"textColumn,omitempty"`  // empty is the one that is certain to be meant
	LabelColumn string  `json:"labelColumn,omitempty"` // likewise
	Labels      string  `json:"labels,omitempty"`      // words or digits: what is learnt of a label; empty is words where the model writes them in a few tokens
	HeldBack    float64 `json:"heldBack,omitempty"`    // share of the rows, drawn by the seed; 0 is every fifth
}

// What Settings.Answer may be.
const (
	answerRank  = "rank"
	answerWrite = "write"
)

// Load asks for a model: the one in a folder on the page's server, one of a hub, one that is kept
// of a hub's, or one in files of the visitor's.
type Load struct {
	Model string `json:"model"` // URL of its folder, relative to the worker, empty is the one beside the page; or its name on the hub
	Hub   string `json:"hub"`   // the hub's address, such as https://huggingface.co; or empty
	Kept  string `json:"kept"`  // ID of one that is kept; or empty
	Files []Blob `json:"-"`     // or none; field files in JavaScript

	Unkept bool `json:"unkept"` // runs are not kept in the browser's storage, and the one that is there is left alone
}

// Blob is a file outside of Go's memory.
type Blob struct {
	Path string // relative to what the visitor chose
	Blob any    // a Blob, in JavaScript
}

// Remove removes a model that is kept.
type Remove struct {
	ID string `json:"id"` // of kept
}

// Train begins a run.
type Train struct {
	Settings Settings `json:"settings"`
	Paused   bool     `json:"paused"`
	PauseAt  int      `json:"pauseAt"` // step; 0 is none
}

// Compare trains another method on what the last run was trained on.
type Compare struct {
	Method string `json:"method"` // of methods; empty is the first that the run's is not
	Part   string `json:"part"`   // of the run's method, to be trained alone; or empty
	Budget int    `json:"budget"` // l, in vectors of the model's width; 0 is as many parameters as the run has
}

// Survey asks what rows of one's own hold, and how they would be read.
type Survey struct {
	Settings Settings `json:"settings"`
}

// Measure asks for the sizes of adapters before any is trained.
type Measure struct {
	Settings Settings `json:"settings"`
	Other    string   `json:"other"` // a method to compare with
}

// Pause, Resume, StepOnce, Restore, Forget, Stop, Export, Reset, Cancel and AskKept have no fields.
type (
	AskKept  struct{}
	Pause    struct{}
	Resume   struct{}
	StepOnce struct{}
	Restore  struct{}
	Forget   struct{}
	Stop     struct{}
	Export   struct{}
	Reset    struct{}
	Cancel   struct{}
)

// Predict asks for the answer to a text.
type Predict struct {
	ID      int      `json:"id"` // comes back in the answer, or in the error
	Text    string   `json:"text"`
	Task    string   `json:"task"`    // of tasks: whose labels are scored where there is no adapter; an adapter has its own
	Without []string `json:"without"` // parts of the method that count as zero
}

// Look asks what becomes of a text on its way to the answer.
type Look struct {
	ID        int    `json:"id"` // comes back in looked, or in the error
	Text      string `json:"text"`
	Task      string `json:"task"`      // as predict's
	Attention bool   `json:"attention"` // the encoder's attention, too
}

// Import brings an adapter: its two files, by their paths where they lie in a folder, or a zip that holds them.
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
	Tasks   []TaskInfo   `json:"tasks"`
	Methods []MethodInfo `json:"methods"`
}

// MethodInfo describes a method of fine-tuning.
type MethodInfo struct {
	Name     string        `json:"name"`  // for settings.method
	Title    string        `json:"title"` // for people
	About    string        `json:"about"` // what it trains
	Settings []SettingInfo `json:"settings"`
	Parts    []string      `json:"parts"`  // that predict can leave out
	Prompt   bool          `json:"prompt"` // it puts vectors before the text
	Shift    bool          `json:"shift"`  // it moves the text's embeddings by position
}

// SettingInfo describes a setting of a method.
type SettingInfo struct {
	Name    string   `json:"name"`  // for settings.values
	Title   string   `json:"title"` // for people
	About   string   `json:"about"`
	Type    string   `json:"type"`    // int, float, bool, text, or list of texts
	Default any      `json:"default"` // good with the page's tasks and model
	Least   float64  `json:"least"`   // of a number
	Most    float64  `json:"most"`    // of a number; 0 is no bound
	Choices []string `json:"choices"` // of a text; empty where any will do
	Rate    string   `json:"rate"`    // the name under which steps report this learning rate; empty for other settings
}

// TaskInfo describes a task that comes with the page.
type TaskInfo struct {
	Name     string   `json:"name"`  // for settings.task
	Title    string   `json:"title"` // for people
	About    string   `json:"about"` // one sentence
	Why      string   `json:"why"`   // which part of DePT it needs, and why
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
	Twin   bool   `json:"twin,omitempty"`   // the run is the second of a comparison
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
	Kept   string `json:"kept"` // ID of the model, where it is one of those that are kept; else empty
	// Values are the defaults of the methods' settings that depend on the model, by method.
	Values map[string]map[string]any `json:"values"`
	Notice string                    `json:"notice"` // sentences about where it came from and whether it is kept, else empty
}

// Kept lists the models of the hub that the browser keeps.
type Kept struct {
	Models []KeptModel `json:"models"`
	Free   int64       `json:"free"`   // bytes that the browser would keep more; 0 where it does not say
	Notice string      `json:"notice"` // why nothing can be kept, else empty
}

// KeptModel is a model of the hub's, or what has arrived of it.
type KeptModel struct {
	ID     string `json:"id"`
	Name   string `json:"name"`   // on the hub
	Commit string `json:"commit"` // 40 hexadecimal digits
	Bytes  int64  `json:"bytes"`
	Whole  bool   `json:"whole"` // else loading it by its name goes on with it
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

// Size is how large an adapter is.
type Size struct {
	Method     string `json:"method"`
	Parameters int    `json:"parameters"` // trained
	Positions  int    `json:"positions"`  // that it puts before the text
	Describe   string `json:"describe"`   // what is trained, in a line
}

// Plan says what a run trains.
type Plan struct {
	Size
	Twin            bool     `json:"twin"`     // it is the second of a comparison
	Part            string   `json:"part"`     // of the first run's method, which it trains alone; or empty
	Settings        Settings `json:"settings"` // with what was left open filled in
	Share           float64  `json:"share"`    // that is trained of all parameters, 0 to 1
	Sequence        int      `json:"sequence"` // longest the encoder reads
	Train           int      `json:"train"`    // rows
	HeldBack        int      `json:"heldBack"` // rows
	Cut             int      `json:"cut"`      // of all rows, about as many are too long
	Labels          []string `json:"labels"`
	Notice          string   `json:"notice"` // sentences about rows, and settings that are in vain, else empty
	WeightBytes     int64    `json:"weightBytes"`
	StateBytes      int64    `json:"stateBytes"`      // gradients and moments
	ActivationBytes int64    `json:"activationBytes"` // of the largest batch
}

// Named is a number with a name.
type Named struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Interrupted tells of a run that is kept.
type Interrupted struct {
	Settings Settings `json:"settings"`
	Step     int      `json:"step"`  // done so far
	Model    string   `json:"model"` // its name
	Here     bool     `json:"here"`  // it is the model that is loaded
}

// Keeping says whether the run is kept.
type Keeping struct {
	Notice string `json:"notice"` // sentences: why it is not; empty where it is
}

// Restored is what a run that goes on had posted before.
type Restored struct {
	Steps       []Step       `json:"steps"` // norms of few tensors alone
	Evaluations []Evaluation `json:"evaluations"`
}

// Step is an update.
type Step struct {
	Method          string  `json:"method"`
	Step            int     `json:"step"` // from 1
	Steps           int     `json:"steps"`
	Loss            float64 `json:"loss"`     // mean over the target tokens
	Rates           []Named `json:"rates"`    // of each group of parameters
	GradNorm        float64 `json:"gradNorm"` // of all gradients, before clipping
	Norms           []Named `json:"norms"`    // of each tensor's gradient
	MS              float64 `json:"ms"`       // of an update, the median of the last ones, evaluations left out; 0 before the clock can tell
	Tokens          int     `json:"tokens"`
	TokensPerSecond float64 `json:"tokensPerSecond"` // 0 as ms is
	Seconds         float64 `json:"seconds"`         // since the run began, evaluations included, pauses left out
	Left            float64 `json:"left"`            // seconds that the rest will take; 0 while that is unknown
}

// Evaluation scores the adapter on the rows held back: at the first and the last step on all,
// between on the first ones alone.
type Evaluation struct {
	Method   string    `json:"method"`
	Step     int       `json:"step"`
	Accuracy float64   `json:"accuracy"` // 0 to 1
	Chance   float64   `json:"chance"`   // of always naming the commonest label
	Rows     int       `json:"rows"`
	Cut      int       `json:"cut"`      // texts too long
	Examples []Example `json:"examples"` // the same five each time
	// Confusion counts the rows by label and answer; null where answers are free text.
	Confusion *Confusion `json:"confusion"`
	Wrong     []Example  `json:"wrong"` // the first fifty
}

// Confusion is a table of labels and answers.
type Confusion struct {
	Labels []string `json:"labels"`
	Counts [][]int  `json:"counts"` // of each label its answers, in the labels' order; the last are no label
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
	Method        string       `json:"method"`
	Step          int          `json:"step"`
	Tensors       []TensorSize `json:"tensors"`
	PromptSizes   []float32    `json:"promptSizes"`   // |P_i|, m of them
	ShiftSizes    []float32    `json:"shiftSizes"`    // |scale·(A·B)_t| of text position t, s of them; empty without a shift
	EmbeddingSize float32      `json:"embeddingSize"` // mean |E(x)|, to compare with
	Heat          *Heat        `json:"heat"`          // scale·A·B; null without a shift
}

// TensorSize is a tensor of an adapter and the root of its mean square.
type TensorSize struct {
	Name  string  `json:"name"`
	Shape []int   `json:"shape"`
	Size  float32 `json:"size"`
}

// Heat is a matrix made small: each value is the one of largest size, sign
// kept, in its block of the matrix.
type Heat struct {
	Rows    int       `json:"rows"`    // at most 64, of text positions
	Columns int       `json:"columns"` // at most 96, of the model's width
	Values  []float32 `json:"values"`  // row by row
	Largest float32   `json:"largest"` // size of any value
}

// Parts says what an adapter is without its parts.
type Parts struct {
	Method string      `json:"method"`
	Step   int         `json:"step"`
	Rows   int         `json:"rows"`
	Scores []PartScore `json:"scores"` // without all of them, then without each
}

// PartScore is an accuracy with some parts counted as zero.
type PartScore struct {
	Without  []string `json:"without"`
	Accuracy float64  `json:"accuracy"`
}

// Done ends a run.
type Done struct {
	Method   string  `json:"method"`
	Step     int     `json:"step"`
	Stopped  bool    `json:"stopped"` // before its last step
	Accuracy float64 `json:"accuracy"`
	Seconds  float64 `json:"seconds"` // that it took, evaluations included, pauses left out
	Updates  float64 `json:"updates"` // of them, in updates
	Cut      int     `json:"cut"`     // rows it learnt from that were too long
}

// Comparison is a run beside one of another method.
type Comparison struct {
	Rows []Compared `json:"rows"` // the run, then the other
}

// Compared is a method's line in a comparison.
type Compared struct {
	Size
	Sequence int     `json:"sequence"` // longest the encoder reads
	MS       float64 `json:"ms"`       // of an update, as in its last step
	Step     int     `json:"step"`     // trained so far
	Accuracy float64 `json:"accuracy"`
}

// Surveyed is the reply to a Survey.
type Surveyed struct {
	Columns   []string     `json:"columns"`
	Header    bool         `json:"header"` // the columns are named in the rows
	Text      string       `json:"text"`   // the column that is taken; empty where one has to be chosen
	Label     string       `json:"label"`  // likewise
	Rows      int          `json:"rows"`
	HeldBack  int          `json:"heldBack"`  // of them
	Labels    []LabelCount `json:"labels"`    // empty where there are so many that answers are free text
	Longest   int          `json:"longest"`   // tokens; 0 without a model
	Suggested int          `json:"suggested"` // maxSourceLength that about 95 % fit; 0 without a model
	Cut       int          `json:"cut"`       // rows longer than settings.maxSourceLength, about as many
	Notice    string       `json:"notice"`    // sentences about them, else empty
	Problem   string       `json:"problem"`   // why there is nothing to train on and what to do, else empty
}

// LabelCount is a label of rows.
type LabelCount struct {
	Label   string `json:"label"`
	Written string `json:"written"` // what is learnt
	Rows    int    `json:"rows"`
}

// Measured is the reply to a Measure.
type Measured struct {
	Sizes  []Size `json:"sizes"`  // of the settings' adapter, then of the other's; empty where the settings make none
	Notice string `json:"notice"` // a sentence about the settings, else empty
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

// Looked is the reply to a Look: what the encoder reads of a text, [ P ; E(x) + scale·A·B ], part by part.
// Matrices are row by row.
type Looked struct {
	ID         int       `json:"id"`
	Text       string    `json:"text"`       // as asked
	Tokens     []TokenID `json:"tokens"`     // as the encoder reads them, the end token included
	Width      int       `json:"width"`      // d
	Embeddings []float32 `json:"embeddings"` // E(x), tokens×d
	Prompt     []float32 `json:"prompt"`     // P, m×d; empty without one
	Rank       int       `json:"rank"`       // r; 0 without a shift
	Scale      float64   `json:"scale"`      // likewise
	A          []float32 `json:"a"`          // the rows of the tokens' places, tokens×r; empty without a shift
	B          []float32 `json:"b"`          // r×d; likewise
	Near       [][]Near  `json:"near"`       // of each row of P the pieces of the vocabulary whose embeddings point most nearly where it does
	Moved      []Moved   `json:"moved"`      // of each token; empty without a shift
	// Attention is null where it was not asked for.
	Attention *Attention `json:"attention"`
}

// Near is a piece of the vocabulary, special ones left out, with the cosine of its embedding and a vector.
type Near struct {
	Text   string  `json:"text"`
	Cosine float32 `json:"cosine"`
}

// Moved is what a shift does to a token.
type Moved struct {
	Near              // the piece nearest to E(x_t) + scale·(A·B)_t; special ones left out, but for the token's own
	Own       float32 `json:"own"`       // cosine of that vector and E(x_t)
	Shift     float32 `json:"shift"`     // |scale·(A·B)_t|
	Embedding float32 `json:"embedding"` // |E(x_t)|
}

// Attention is how much each position of the encoder reads of each, block by block and head by head. The
// prompt's positions are the first.
type Attention struct {
	Blocks    int       `json:"blocks"`
	Heads     int       `json:"heads"`
	Positions int       `json:"positions"`
	Values    []float32 `json:"values"` // blocks×heads×positions×positions; each row's sum is 1
}

// TokenID is a piece of a text with its place in the vocabulary.
type TokenID struct {
	Text string `json:"text"`
	ID   int32  `json:"id"`
}

// AdapterZip is the adapter's folder, zipped.
type AdapterZip struct {
	File
}

// Imported says that an adapter has been taken.
type Imported struct {
	Size
	MaxSourceLength int      `json:"maxSourceLength"` // 0 where nothing says
	Labels          []string `json:"labels"`          // that it was trained on; empty where nothing says
	Notice          string   `json:"notice"`          // sentences about it, else empty
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
	ID      int    `json:"id"`      // of a predict or a look
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
func (Restore) kind() string  { return "restore" }
func (Forget) kind() string   { return "forget" }
func (Stop) kind() string     { return "stop" }
func (Compare) kind() string  { return "compare" }
func (Survey) kind() string   { return "survey" }
func (Measure) kind() string  { return "measure" }
func (Predict) kind() string  { return "predict" }
func (Look) kind() string     { return "look" }
func (Export) kind() string   { return "export" }
func (Import) kind() string   { return "import" }
func (AskRows) kind() string  { return "rows" }
func (Reset) kind() string    { return "reset" }
func (Cancel) kind() string   { return "cancel" }
func (Bench) kind() string    { return "bench" }
func (AskKept) kind() string  { return "kept" }
func (Remove) kind() string   { return "remove" }

func (Tasks) kind() string       { return "tasks" }
func (State) kind() string       { return "state" }
func (Progress) kind() string    { return "progress" }
func (Ready) kind() string       { return "ready" }
func (Plan) kind() string        { return "plan" }
func (Interrupted) kind() string { return "interrupted" }
func (Keeping) kind() string     { return "keeping" }
func (Restored) kind() string    { return "restored" }
func (Step) kind() string        { return "step" }
func (Evaluation) kind() string  { return "evaluation" }
func (Sample) kind() string      { return "sample" }
func (Parts) kind() string       { return "parts" }
func (Done) kind() string        { return "done" }
func (Comparison) kind() string  { return "comparison" }
func (Surveyed) kind() string    { return "surveyed" }
func (Measured) kind() string    { return "measured" }
func (Answer) kind() string      { return "answer" }
func (Looked) kind() string      { return "looked" }
func (AdapterZip) kind() string  { return "adapter" }
func (Imported) kind() string    { return "imported" }
func (Rows) kind() string        { return "rows" }
func (Kept) kind() string        { return "kept" }
func (Benched) kind() string     { return "benched" }
func (Error) kind() string       { return "error" }
