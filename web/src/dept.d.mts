// The types of dept.mjs, which trains and asks a T5 in anybody's page; docs/library.md shows
// how. Those of what the worker says are as in wasm/messages.go, which a test compares.

/**
 * Opens a model on the browser's GPU: by the address of its folder, relative to the page; its
 * files, as an <input type="file" webkitdirectory> or a drop gives them; or, with a hub, its name
 * there. Without any it is the small one in the folder model beside this module.
 *
 * Rejects with a DeptError, or with the signal's reason.
 */
export function load(model?: string | URL | Iterable<File> | ArrayLike<File>, options?: LoadOptions): Promise<Model>;

export interface LoadOptions {
  /** Address of a hub such as https://huggingface.co, which keeps the model in the site's private storage. */
  hub?: string;
  onprogress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

/** A frozen model on the device, and the adapter that was trained or imported last. */
export interface Model {
  readonly device: Device;
  readonly about: About;
  /** Sentences about where the model came from and whether it is kept; else empty. */
  readonly notice: string;
  /** What train's options method and values may be. */
  readonly methods: readonly Method[];

  /**
   * Trains a new adapter: on rows, or on a table as text with tabs or commas, or JSON. Some of the
   * rows are held back and evaluated on, before the first step and after the last.
   *
   * Where the signal is aborted it rejects with its reason after the step at hand; the adapter as
   * it stands then stays. One run goes on at a time.
   */
  train(rows: Iterable<Row> | string, options?: TrainOptions): Promise<Trained>;
  /** Answers a text, with the adapter if there is one; also between the steps of a run. */
  predict(text: string, options?: { without?: readonly string[] }): Promise<Answer>;
  /** The adapter as a zip of the folder that dept predict and PEFT read. */
  export(): Promise<File>;
  /** Takes an adapter in place of the one there is: from that zip, or from its files. */
  import(files: Iterable<File> | ArrayLike<File>): Promise<Imported>;
  /** Gives the device and all memory back. What is under way rejects with the code "cancelled". */
  close(): void;
}

export interface Row {
  text: string;
  label: string;
}

/** The run's settings; what is left out has a default. */
export interface TrainOptions extends Partial<Omit<Settings, "task" | "rows">> {
  signal?: AbortSignal;
  /** Before the first step: what will be trained, and how much memory it takes. */
  onplan?: (plan: Plan) => void;
  onstep?: (step: Step) => void;
  onevaluation?: (evaluation: Evaluation) => void;
}

/** How a run ended. */
export interface Trained {
  method: string;
  step: number;
  /** It ended before its last step. */
  stopped: boolean;
  /** Of the rows held back, 0 to 1. */
  accuracy: number;
  seconds: number;
  /** Rows it learnt from that were too long. */
  cut: number;
  /** The last one. */
  evaluation?: Evaluation;
}

/** What went wrong, in a sentence, and what to do, in another; code is for programs. */
export class DeptError extends Error {
  readonly code: Code;
  /** What was asked for: load, train, predict, ...; or start. */
  readonly during: string;
  readonly remedy: string;
  constructor(of: { code: Code; during?: string; message: string; remedy?: string });
}

export type Code =
  | "no-webgpu" // the browser gives no adapter
  | "device-lost" // load again
  | "limit" // something does not fit the device
  | "memory" // device or tab has no more
  | "network" // a file could not be fetched
  | "file" // a file is damaged or not what it should be
  | "adapter" // the adapter is broken or of another model
  | "rows" // a row is wrong; its line is named
  | "settings" // a setting makes no sense; it is named
  | "not-finite" // loss or gradient
  | "order" // nothing is loaded, or a run is under way
  | "cancelled" // by close
  | "bug"; // ours

// What the worker says.

export interface Settings {
  task: string;
  rows?: string;
  /** By default "dept". */
  method: string;
  /** Of the method's settings by name; those left out have their defaults. */
  values: Record<string, unknown>;
  /** Tokens; longer texts are cut. By default what about 95 % of the rows fit. */
  maxSourceLength: number;
  /** Steps in which the rates rise; by default 0. */
  warmup: number;
  /** By default 100. */
  steps: number;
  /** Rows of a step; by default 8. */
  batch: number;
  /** Up to 2⁵³; by default 0. Seed, settings and rows decide every number on one device. */
  seed: number;
  /** Steps between evaluations; 0, the default, is at both ends only. */
  evalEvery: number;
  /** The likeliest of the labels, by default, or what the model writes. */
  answer?: "rank" | "write";
  /** A column of rows that are text. */
  textColumn?: string;
  labelColumn?: string;
  /** What is learnt of a label; by default words where the model writes them in a few tokens. */
  labels?: "words" | "digits";
  /** Share of the rows, drawn by the seed; by default every fifth. */
  heldBack?: number;
}

export interface Progress {
  /** Such as "model.safetensors". */
  what: string;
  unit: "bytes" | "rows";
  done: number;
  /** 0 where nobody knows. */
  total: number;
  /** From the last visit. */
  cached: boolean;
}

export interface Device {
  name: string;
  /** discrete-gpu, integrated-gpu, other or cpu. */
  type: string;
  backend: string;
}

export interface About {
  name: string;
  parameters: number;
  /** On the device. */
  bytes: number;
  width: number;
  blocks: [number, number];
  vocabulary: number;
}

export interface Method {
  name: string;
  title: string;
  about: string;
  settings: Setting[];
  /** That predict can leave out. */
  parts: string[];
  prompt: boolean;
  shift: boolean;
}

export interface Setting {
  name: string;
  title: string;
  about: string;
  type: "int" | "float" | "bool" | "text" | "list";
  default: unknown;
  least: number;
  most: number;
  choices: string[];
  rate: string;
}

export interface Plan {
  method: string;
  /** Trained. */
  parameters: number;
  positions: number;
  describe: string;
  twin: boolean;
  part: string;
  settings: Settings;
  /** That is trained of all parameters, 0 to 1. */
  share: number;
  sequence: number;
  train: number;
  heldBack: number;
  /** Of all rows, about as many are too long. */
  cut: number;
  labels: string[];
  /** Sentences about rows, and settings that are in vain; else empty. */
  notice: string;
  weightBytes: number;
  stateBytes: number;
  activationBytes: number;
}

export interface Named {
  name: string;
  value: number;
}

export interface Step {
  method: string;
  /** From 1. */
  step: number;
  steps: number;
  /** Mean over the target tokens. */
  loss: number;
  rates: Named[];
  gradNorm: number;
  norms: Named[];
  /** Of an update, the median of the last ones. */
  ms: number;
  tokens: number;
  tokensPerSecond: number;
  seconds: number;
  /** Seconds that the rest will take; 0 while that is unknown. */
  left: number;
}

export interface Evaluation {
  method: string;
  step: number;
  /** 0 to 1. */
  accuracy: number;
  /** Of always naming the commonest label. */
  chance: number;
  rows: number;
  cut: number;
  examples: Example[];
  /** Null where answers are free text. */
  confusion: Confusion | null;
  wrong: Example[];
}

export interface Confusion {
  labels: string[];
  /** Of each label its answers, in the labels' order; the last are no label. */
  counts: number[][];
}

export interface Example {
  text: string;
  label: string;
  answer: string;
  right: boolean;
}

export interface Answer {
  id: number;
  text: string;
  /** A label, or whatever the model wrote. */
  answer: string;
  /** Of each label; empty without labels. */
  scores: Score[];
  tokens: Token[];
  /** The text was too long. */
  cut: boolean;
  notice: string;
  ms: number;
}

export interface Score {
  label: string;
  probability: number;
}

export interface Token {
  text: string;
  shift: number;
}

export interface Imported {
  method: string;
  parameters: number;
  positions: number;
  describe: string;
  maxSourceLength: number;
  labels: string[];
  notice: string;
}
