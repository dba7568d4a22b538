// An answer token by token: the less sure the model was, the stronger its colour. The mouse, or the
// arrow keys, show what else could have stood there. Every text is set as text, never as HTML.
export default {
  template: `
    <div :id="id">
      <div class="answer" tabindex="0" role="group" :aria-label="label"
        @keydown.right.prevent="move(1)" @keydown.left.prevent="move(-1)" @keydown.esc="here = -1">
        <span v-for="(token, i) in tokens" :key="i" class="token" :class="{ here: i === here }"
          :style="{ '--doubt': 1 - token[1] }" @mouseenter="here = i">{{ token[0] }}</span>
      </div>
      <div class="options" aria-live="polite">
        <template v-if="here >= 0">
          <template v-for="(option, i) in tokens[here][2]" :key="i">
            <code :class="{ strong: option[0] === tokens[here][0] }">{{ shown(option[0]) }}</code>
            <span class="bar" aria-hidden="true"><i :style="{ width: 100 * option[1] + '%' }"></i></span>
            <span>{{ percent(option[1]) }}</span>
          </template>
        </template>
        <span v-else class="hint" style="grid-column: 1 / -1">Point at a word, or use the arrow keys:
          its probability, and what else could have stood there.</span>
      </div>
    </div>`,
  props: { id: String, tokens: Array, label: String },
  data() {
    return { here: -1 };
  },
  methods: {
    move(step) {
      this.here = Math.max(0, Math.min(this.tokens.length - 1, this.here + step));
    },
    shown(text) {
      return text.replace(/\n/g, "⏎").replace(/ /g, "␣") || "(end)";
    },
    percent(share) {
      return share >= 0.0995 || share === 0 ? Math.round(100 * share) + " %" : (100 * share).toFixed(1) + " %";
    },
  },
};
