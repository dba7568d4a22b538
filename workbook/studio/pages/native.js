// A labelled native control: the browser's own keyboard, focus and screen reader support.
// Its text is set as text, never as HTML.
export default {
  inheritAttrs: false,
  template: `
    <div :id="id" class="field" :class="[$attrs.class, 'field-' + kind]">
      <label v-if="kind !== 'check'" :for="control" :class="{ 'sr-only': quiet }">{{ label }}</label>
      <select v-if="kind === 'select'" v-bind="bound" v-model="inner" @change="send">
        <option v-for="option in options" :key="option[0]" :value="option[0]">{{ option[1] }}</option>
      </select>
      <textarea v-else-if="kind === 'area'" v-bind="bound" :rows="rows" v-model="inner"
        @input="send" @keydown.ctrl.enter.prevent="$emit('submit')"
        @keydown.meta.enter.prevent="$emit('submit')"></textarea>
      <label v-else-if="kind === 'check'" :for="control" class="check">
        <input type="checkbox" v-bind="bound" v-model="inner" @change="send" />
        <span>{{ label }}</span>
      </label>
      <input v-else v-bind="bound" :type="kind === 'number' ? 'text' : kind"
        :inputmode="kind === 'number' ? 'decimal' : null" v-model="inner" @input="send"
        @keydown.enter="$emit('submit')" />
      <div v-if="hint" :id="control + '-hint'" class="hint">{{ hint }}</div>
    </div>`,
  props: {
    id: String,
    kind: String,
    label: String,
    hint: String,
    quiet: Boolean,
    rows: Number,
    options: Array,
    placeholder: String,
    disabled: Boolean,
    value: null,
  },
  emits: ["update:value", "submit"],
  data() {
    return { inner: this.value };
  },
  watch: {
    value(value) {
      this.inner = value;
    },
  },
  computed: {
    control() {
      return this.id + "-control";
    },
    bound() {
      return {
        id: this.control,
        placeholder: this.placeholder,
        disabled: this.disabled,
        autocomplete: "off",
        spellcheck: this.kind === "area" ? "true" : "false",
        "aria-describedby": this.hint ? this.control + "-hint" : null,
      };
    },
  },
  methods: {
    send() {
      this.$emit("update:value", this.inner);
    },
  },
};
