"""Token arrays against the tokenizer's own answers, one text at a time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertConfig, DistilBertConfig, PreTrainedTokenizerFast

from sparsekd.data import Encoded, demo_piece_tokenizer, demo_tokenizer, encode, load
from sparsekd.errors import BadInput, NotFound, Unavailable
from sparsekd.tasks import find
from sparsekd.tasks.demo import NAMES, vocabulary

TOKENIZER = demo_tokenizer()
PAIRS = pd.DataFrame(
    {
        "text": ["A girl is running.", "A nurse is dozing in the library.", "A boy is moving."],
        "pair": ["The child is moving.", "The worker is resting.", "The boy is not moving."],
        "label": [0, 0, 2],
    }
)
ENCODED = encode(PAIRS, TOKENIZER, 64)


def test_each_row_equals_the_tokenizers_output_on_it_alone():
    for row, (text, pair) in enumerate(zip(PAIRS["text"], PAIRS["pair"], strict=True)):
        alone = TOKENIZER(text, pair)
        here = slice(ENCODED.offsets[row], ENCODED.offsets[row + 1])
        assert ENCODED.ids[here].tolist() == alone["input_ids"]
        assert ENCODED.segments[here].tolist() == alone["token_type_ids"]


def test_arrays_have_the_promised_types():
    kinds = [array.dtype.name for array in (ENCODED.ids, ENCODED.segments, ENCODED.offsets)]
    assert kinds == ["int32", "int8", "int64"]
    assert ENCODED.lengths.sum() == len(ENCODED.ids)


def test_a_batch_is_the_tokenizers_own_padding():
    batch = ENCODED.batch(np.array([2, 1]))
    expected = TOKENIZER(
        PAIRS["text"][[2, 1]].tolist(), PAIRS["pair"][[2, 1]].tolist(), padding=True
    )
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert getattr(batch, name).tolist() == expected[name]
    assert batch.labels.tolist() == [2, 0]


def test_long_texts_are_cut_the_longer_of_a_pair_first():
    cut = encode(PAIRS, TOKENIZER, 9)
    assert cut.lengths.max() == 9
    assert (
        cut.ids[: cut.offsets[1]].tolist()
        == TOKENIZER(PAIRS["text"][0], PAIRS["pair"][0], truncation="longest_first", max_length=9)[
            "input_ids"
        ]
    )


@given(st.lists(st.integers(0, 2), min_size=1, max_size=8))
@settings(deadline=None)
def test_selected_rows_are_those_rows(rows):
    picked = ENCODED.select(np.array(rows))
    assert picked.labels.tolist() == ENCODED.labels[rows].tolist()
    for place, row in enumerate(rows):
        here = slice(picked.offsets[place], picked.offsets[place + 1])
        there = slice(ENCODED.offsets[row], ENCODED.offsets[row + 1])
        assert picked.ids[here].tolist() == ENCODED.ids[there].tolist()


def test_saved_tokens_are_read_back(tmp_path):
    ENCODED.save(tmp_path / "tokens.npz")
    again = Encoded.load(tmp_path / "tokens.npz")
    for name in ("ids", "segments", "offsets", "labels", "pad"):
        np.testing.assert_array_equal(getattr(again, name), getattr(ENCODED, name))
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.npz"]


def test_a_missing_broken_or_unwritable_token_file_is_an_error(tmp_path):
    with pytest.raises(NotFound):
        Encoded.load(tmp_path / "tokens.npz")
    (tmp_path / "tokens.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(BadInput, match="no npz file"):
        Encoded.load(tmp_path / "tokens.npz")
    with pytest.raises(Unavailable, match="cannot be used"):
        ENCODED.save(tmp_path / "tokens.npz" / "below-a-file.npz")


def test_a_tokenizer_without_padding_is_refused():
    bare = PreTrainedTokenizerFast(tokenizer_object=TOKENIZER.backend_tokenizer)
    with pytest.raises(BadInput, match="no padding token"):
        encode(PAIRS, bare, 64)


@pytest.mark.parametrize("tokenizer", [TOKENIZER, demo_piece_tokenizer()])
@pytest.mark.parametrize("name", NAMES)
def test_the_demo_tokenizers_know_every_demo_word(name, tokenizer):
    frames = load(find(name))
    unknown = tokenizer.unk_token_id
    assert all(unknown not in encode(frame, tokenizer, 512).ids for frame in frames.values())


def test_no_two_demo_words_have_the_same_pieces():
    words = sorted({word for name in NAMES for word in vocabulary(name)})
    pieces = demo_piece_tokenizer()(words, add_special_tokens=False)["input_ids"]
    assert len({tuple(each) for each in pieces}) == len(words)
    assert {len(each) for each in pieces} == {1, 2}
    assert [len(each) for each in pieces] == [1 + (len(word) > 4) for word in words]


def test_the_tokenizer_in_pieces_is_read_back_and_has_no_segments(tmp_path):
    pieces = demo_piece_tokenizer()
    pieces.save_pretrained(tmp_path)
    DistilBertConfig(vocab_size=len(pieces)).save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text, pair = PAIRS["text"][1], PAIRS["pair"][1]
    assert again(text, pair)["input_ids"] == pieces(text, pair)["input_ids"]
    assert "token_type_ids" not in again(text, pair)


def test_the_demo_tokenizer_is_read_back_beside_a_bert_configuration(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    BertConfig(vocab_size=len(TOKENIZER)).save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text, pair = PAIRS["text"][1], "The Xylophone is not dull"
    assert again(text, pair)["input_ids"] == TOKENIZER(text, pair)["input_ids"]
    assert again(text, pair)["token_type_ids"] == TOKENIZER(text, pair)["token_type_ids"]
    assert TOKENIZER.convert_ids_to_tokens(TOKENIZER("Xylophone")["input_ids"]) == [
        "[CLS]",
        "[UNK]",
        "[SEP]",
    ]
