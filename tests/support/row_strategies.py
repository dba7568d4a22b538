"""Values for hypothesis that are nearly training rows, or nothing of the kind."""

from hypothesis import settings
from hypothesis import strategies as st

from workbook.rows import rules

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["user", "assistant", "system", "<|endoftext|>", "\ud800", ""]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=3) | st.sampled_from([*rules.MESSAGE_KEYS, *rules.CHAT_KEYS]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
MESSAGES = st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(rules.MESSAGE_KEYS), VALUES))
CHATS = st.fixed_dictionaries(
    {"messages": VALUES | st.lists(MESSAGES | VALUES, max_size=4)}, optional={"tools": VALUES}
)
ROWS = VALUES | CHATS | st.fixed_dictionaries({}, optional={"prompt": VALUES, "completion": VALUES})
FAST = settings(max_examples=150)
