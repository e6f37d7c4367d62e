// The article's exercises: guess, then run. What is right the run itself says.
import recording from "../article/recording.json";

const base = recording.accuracy; // of the run as the page has it

// What a run came to, as a choice of a lesson whose choices are: much the same, in
// between, near nothing.
const fall = (accuracy) => (accuracy > base - 0.1 ? 0 : accuracy > 0.3 ? 1 : 2);
const half = (all) => Math.floor(all / 2);

// A run has settings of the method, or of training; a question turns a sentence into another.
const lessons = {
  "no-shift": { values: { rank: 0 }, judge: fall },
  "no-prompt": { values: { "prompt-length": 0 }, judge: fall },
  "constant": { values: { shift: "constant", rank: 1 }, judge: fall },
  "half": { values: { "prompt-length": 2, rank: 4 }, judge: fall },
  "rates": { values: { "learning-rate": 0.02, "learning-rate-ab": 1 }, judge: fall },
  "swap": { turn: (text) => text.replace(/^(\S+) and (\S+)/, "$2 and $1"), judge: (changed, all) => (changed > half(all) ? 0 : 1) },
  "later": { turn: (text) => `well well well ${text}`, judge: (changed, all) => (changed > half(all) ? 1 : 0) },
};

/** link is the workshop's address with a lesson's settings. */
function link({ values = {}, turn }, sentence) {
  const settings = { task: recording.task, method: "dept", budget: "free", ...recording.values, ...values };
  if (turn) settings.sentence = turn(sentence);
  return `workshop.html#${new URLSearchParams(settings)}`;
}

/** start brings the exercises to life. */
export function start(state, words, act) {
  for (const element of document.querySelectorAll("[data-lesson]")) {
    const lesson = lessons[element.dataset.lesson];
    const find = (selector) => element.querySelector(selector);
    const [go, copy, open] = [find(".go"), find(".copy"), find(".open")];
    open.href = link(lesson, state.sentence);
    copy.hidden = false;
    copy.onclick = async () => {
      await navigator.clipboard.writeText(open.href).then(() => (copy.textContent = words["lesson-copied"]), () => (copy.textContent = open.href));
    };
    const choices = [...element.querySelectorAll("input")];
    const guess = () => choices.findIndex((c) => c.checked);
    const outcome = (text, right) => {
      find(".outcome").textContent = `${text} ${guess() < 0 ? "" : guess() === right ? words["guess-right"] : words["guess-wrong"].replace("%", choices[right].parentElement.textContent.trim())}`;
      find("details").open = true;
    };
    go.hidden = false;
    go.onclick = () => {
      find(".outcome").textContent = words["lesson-running"];
      if (lesson.turn) {
        act.ask(state.examples.map(lesson.turn), (answers) => {
          const changed = answers.filter((a, i) => a !== state.examples[i].label).length;
          outcome(words["lesson-changed"].replace("%", changed).replace("%", answers.length), lesson.judge(changed, answers.length));
        });
        return;
      }
      act.train(element.dataset.lesson, lesson.values, {}, () => {
        const { accuracy, stopped } = state.run;
        outcome(words[stopped ? "lesson-stopped" : "lesson-came"].replace("%", `${Math.round(accuracy * 100)} %`).replace("%", `${Math.round(base * 100)} %`), lesson.judge(accuracy));
      });
    };
  }
}

/** show says what a lesson's buttons can do. */
export function show(state) {
  for (const element of document.querySelectorAll("[data-lesson]")) {
    const go = element.querySelector(".go");
    go.disabled = !state.live || state.status !== "ready";
    const mine = state.run?.name === element.dataset.lesson && state.status === "training";
    element.querySelector(".outcome").classList.toggle("running", mine);
    if (mine) element.querySelector(".outcome").dataset.at = `${state.run.step} / ${state.run.steps}`;
  }
}
