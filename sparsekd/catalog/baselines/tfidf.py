"""TF-IDF with logistic regression: parameters and card."""

from pydantic import Field

from sparsekd.catalog.method_card import MethodCard
from sparsekd.catalog.parameters import MethodParams


class TfidfParams(MethodParams):
    """Parameters of TF-IDF with logistic regression, or ridge regression of numbers.

    Source: Salton, Buckley, Information Processing & Management, 1988.
    """

    words: int = Field(
        2, ge=1, le=5, description="Longest sequence of words that is counted: 2, single and pairs."
    )

    @property
    def labelled_only(self) -> bool:
        """Return whether only labelled examples are used: there is no teacher."""
        return True


CARD = MethodCard(
    name="tfidf",
    title="TF-IDF and logistic regression",
    source="Salton, Buckley, Information Processing & Management, 1988; scikit-learn",
    year=1988,
    summary="Weighted counts of words and pairs of words, on the gold labels: no teacher.",
    params=TfidfParams,
    gold_terms=("hard",),
    least_teachers=0,
    most_teachers=0,
)
