package tasks

import (
	"slices"

	m "github.com/go-dept/dept/dept/metrics"
)

// Templates are those of the DePT authors' code (no task name in front); AG News, TREC, Subj, MR, CR
// and IMDB, which they do not have, follow their other one-sentence tasks.
const (
	sentenceSource Template = "sentence: {sentence}"
	textSource     Template = "sentence: {text}"
	pairSource     Template = "sentence1: {sentence1} sentence2: {sentence2}"
	textsSource    Template = "sentence1: {text1} sentence2: {text2}" // of the hub's copies by SetFit, as every text1
	premiseSource  Template = "premise: {premise} hypothesis: {hypothesis}"
	wicSource      Template = "sentence1: {sentence1} sentence2: {sentence2} word: {word}"
)

var (
	entailment = []string{"entailment", "not_entailment"}
	sentiment  = []string{"negative", "positive"}
	truth      = []string{"false", "true"}
)

// known is the table.
var known = slices.Concat(glue, superGLUE, questions, others)

var glue = []Task{
	{
		Name: "cola", Labels: []string{"unacceptable", "acceptable"}, Split: Halves,
		Metrics: []m.Name{m.Matthews, m.Accuracy},
		Layouts: []Layout{{Source: sentenceSource, Target: "label", Header: []string{"source", "label", "mark", "sentence"}}},
	},
	{
		Name: "sst2", Also: []string{"sst-2"}, Labels: sentiment, Split: Thousand,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: sentenceSource, Target: "label", Line: "{label} {sentence}"},
			{Source: textSource, Target: "label"},
		},
	},
	{
		Name: "mrpc", Labels: []string{"not_equivalent", "equivalent"}, Split: Halves,
		Metrics: []m.Name{m.Accuracy, m.F1},
		Layouts: []Layout{
			{Source: pairSource, Target: "label"},
			{Source: "sentence1: {#1 String} sentence2: {#2 String}", Target: "Quality"},
			{Source: textsSource, Target: "label"},
		},
	},
	{
		Name: "qqp", Labels: []string{"not_duplicate", "duplicate"}, Split: Thousand, Ragged: true,
		Metrics: []m.Name{m.Accuracy, m.F1},
		Layouts: []Layout{
			{Source: "question1: {question1} question2: {question2}", Target: "is_duplicate"},
			{Source: "question1: {question1} question2: {question2}", Target: "label"},
			{Source: "question1: {text1} question2: {text2}", Target: "label"},
		},
	},
	{
		Name: "stsb", Also: []string{"sts-b"}, Answer: Number, Split: Halves,
		Metrics: []m.Name{m.PearsonRounded, m.SpearmanRounded, m.Pearson, m.Spearman},
		Layouts: []Layout{
			{Source: pairSource, Target: "score"},
			{Source: pairSource, Target: "label"},
			{Source: textsSource, Target: "label"},
		},
	},
	{
		Name: "mnli", Labels: []string{"entailment", "neutral", "contradiction"}, Split: Official,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: premiseSource, Target: "label"},
			{Source: "premise: {sentence1} hypothesis: {sentence2}", Target: "gold_label"},
			{Source: "premise: {text1} hypothesis: {text2}", Target: "label"},
		},
	},
	{
		Name: "qnli", Labels: entailment, Split: Thousand,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: "question: {question} sentence: {sentence}", Target: "label"},
			{Source: "question: {text1} sentence: {text2}", Target: "label"},
		},
	},
	{
		Name: "rte", Also: []string{"superglue-rte"}, Labels: entailment, Split: Halves,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: pairSource, Target: "label"},
			{Source: premiseSource, Target: "label"},
			{Source: textsSource, Target: "label"},
		},
	},
	{
		Name: "wnli", Labels: []string{"not_entailment", "entailment"}, Split: Halves,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{{Source: pairSource, Target: "label"}, {Source: textsSource, Target: "label"}},
	},
}

var superGLUE = []Task{
	{
		Name: "boolq", Also: []string{"superglue-boolq"}, Labels: truth, Split: Halves,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: "question: {question} passage: {passage}", Target: "label"},
			{Source: "question: {question} passage: {passage}", Target: "answer"},
		},
	},
	{
		Name: "cb", Also: []string{"superglue-cb"}, Labels: []string{"entailment", "contradiction", "neutral"}, Split: Halves,
		Metrics: []m.Name{m.MacroF1, m.Accuracy},
		Layouts: []Layout{{Source: premiseSource, Target: "label"}},
	},
	{
		Name: "copa", Also: []string{"superglue-copa"}, Labels: []string{"choice1", "choice2"}, Split: Halves,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{{Source: "premise: {premise} choice1: {choice1} choice2: {choice2}", Target: "label"}},
	},
	{
		Name: "multirc", Also: []string{"superglue-multirc"}, Labels: truth, Split: Halves, Clean: withoutMarkup,
		Metrics: []m.Name{m.F1, m.QuestionExactMatch, m.Accuracy},
		Layouts: []Layout{
			{
				Source: "question: {question} answer: {answer} paragraph: {paragraph}", Target: "label",
				Group: "{idx.paragraph} {idx.question}",
			},
			{Source: "question: {question} answer: {answer} paragraph: {paragraph}", Target: "label", Group: "{question} {paragraph}"},
			{
				Source: "question: {passage.questions.question} answer: {passage.questions.answers.text} paragraph: {passage.text}",
				Target: "passage.questions.answers.label", Each: "passage.questions.answers", Group: "{passage.questions.idx}",
			},
		},
	},
	{
		Name: "wic", Also: []string{"superglue-wic"}, Labels: truth, Split: Halves,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: wicSource, Target: "label"},
			{Source: wicSource, Target: "label", Packed: "Word: {word}. Sentence 1: {sentence1} Sentence 2: {sentence2}"},
		},
	},
	{
		Name: "wsc", Also: []string{"wsc.fixed", "superglue-wsc.fixed"}, Labels: truth, Split: Halves,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: "text: {text}", Target: "label", Mark: []Mark{{"*", "target.span1_text", "target.span1_index"}, {"#", "target.span2_text", "target.span2_index"}}},
			{Source: "text: {text}", Target: "label", Mark: []Mark{{"*", "span1_text", "span1_index"}, {"#", "span2_text", "span2_index"}}},
		},
	},
}

// questions are MRQA's, answered in free text.
var questions = []Task{
	mrqa("nq", "naturalquestions", "naturalquestionsshort"), mrqa("hotpotqa"), mrqa("searchqa"), mrqa("newsqa"),
}

func mrqa(name string, also ...string) Task {
	return Task{
		Name: name, Also: also, Answer: Text, Split: Thousand, Clean: padPunctuation,
		Metrics: []m.Name{m.TargetExactMatch, m.TargetF1, m.SquadExactMatch, m.SquadF1},
		Layouts: []Layout{
			{Source: "question: {question} context: {context}", Target: "answers", Part: "subset"},
			{Source: "question: {question} context: {context}", Target: "answers.text"},
			{Source: "question: {qas.question} context: {context}", Target: "qas.answers", Each: "qas"},
			{Source: "question: {paragraphs.qas.question} context: {paragraphs.context}", Target: "paragraphs.qas.answers", Each: "paragraphs.qas"},
		},
	}
}

var others = []Task{
	{
		Name: "winogrande", Labels: []string{"option1", "option2"}, Split: Thousand,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{{Source: "sentence: {sentence} option0: {option1} option1: {option2}", Target: "answer", Labels: []string{"1", "2"}}},
	},
	{
		Name: "yelp", Also: []string{"yelp_polarity", "yelp-2"}, Labels: sentiment, Split: Thousand, Most: 100_000,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: textSource, Target: "label"},
			{Source: "sentence: {review}", Target: "class", Header: []string{"class", "review"}, Labels: []string{"1", "2"}},
		},
	},
	{
		Name: "scitail", Labels: []string{"entailment", "neutral"}, Split: Halves,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: premiseSource, Target: "label", Header: []string{"premise", "hypothesis", "label"}, Labels: []string{"entails", "neutral"}},
			{Source: "premise: {sentence1} hypothesis: {sentence2}", Target: "gold_label"},
		},
	},
	{
		Name: "paws", Labels: []string{"different", "paraphrase"}, Split: Official,
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{{Source: pairSource, Target: "label"}},
	},
	{
		Name: "agnews", Also: []string{"ag_news"}, Labels: []string{"World", "Sports", "Business", "Sci/Tech"},
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{
				Source: "sentence: {Title} {Description}", Target: "Class Index",
				Header: []string{"Class Index", "Title", "Description"},
				Labels: []string{"1", "2", "3", "4"},
			},
			{
				Source: sentenceSource, Target: "label",
				Header: []string{"sentence", "label"},
			},
			{Source: textSource, Target: "label"},
		},
	},
	{
		Name: "trec", Labels: []string{"ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM"},
		Metrics: []m.Name{m.Accuracy},
		Layouts: []Layout{
			{Source: textSource, Target: "coarse_label", Line: "{coarse_label}:{fine_label} {text}"},
			{Source: textSource, Target: "label_coarse_original"},
			{Source: textSource, Target: "label-coarse", Labels: []string{"2", "1", "0", "3", "5", "4"}}, // the hub's of old
		},
	},
	{
		Name: "subj", Labels: []string{"subjective", "objective"},
		Metrics: []m.Name{m.Accuracy}, Layouts: oneText,
	},
	{
		Name: "mr", Also: []string{"rotten_tomatoes"}, Labels: sentiment,
		Metrics: []m.Name{m.Accuracy}, Layouts: oneText,
	},
	{
		Name: "cr", Labels: sentiment,
		Metrics: []m.Name{m.Accuracy}, Layouts: oneText,
	},
	{
		Name: "imdb", Labels: sentiment,
		Metrics: []m.Name{m.Accuracy},
		Layouts: append(slices.Clone(oneText), Layout{Source: "sentence: {review}", Target: "sentiment"}),
	},
}

// oneText are the layouts of texts with a label.
var oneText = []Layout{
	{Source: textSource, Target: "label_text"},
	{Source: textSource, Target: "label", Header: []string{"label", "text"}, Line: "{label} {text}", Folders: true},
	{Source: sentenceSource, Target: "label"},
}
