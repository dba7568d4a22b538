"""A model of the lab, taken along: as files that other programs load.

`subject` finds what is to be taken, `hugging_face`, `peft` and `gguf_file` write it in their forms,
`card` describes it, and `proof` loads it in its real target and compares the answers.
"""
