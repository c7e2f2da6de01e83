"""Agreement, calibration and changes of classes of a study's models, as text."""

from sparsekd.cli.output import table_text
from sparsekd.runs import overlaps
from sparsekd.studies import answer_words, calibration_tables
from sparsekd.studies.model_answers import ModelAnswers

AGREEMENT = ["role", "teacher", "agreement", "low", "high", "independent", "divergence", "seeds"]
CALIBRATION = ["role", "confidence", "accuracy", "error", "chance", "temperature", "error_scaled"]


def print_answers(found: ModelAnswers) -> None:
    """Print the tables that there are, with a sentence to most; first, overlap with training."""
    warning = overlaps.warning(found.card)
    if warning:
        print(f"\n{warning}")
    agreement = found.agreement_summary
    if len(agreement):
        print(f"\nAgreement with the teacher on {found.split} (mean over seeds; independent: what ")
        print("errors that are independent given the class would give; divergence: KL in nats):")
        print(table_text(agreement[AGREEMENT]))
        print(answer_words.agreement_in_words(found.agreement_verdicts))
    if len(found.soft_labels):
        print("\nSoft labels (mean entropy in nats on the training texts, at the teacher's ")
        print("temperature): a teacher with more of it is softer, whatever else it is.")
        print(table_text(found.soft_labels.drop(columns="what")))
    if len(found.teacher_choices):
        print(
            "\nTeachers chosen (overlap of their weights in training with those of the oracle, the"
        )
        print("teacher with the smallest loss on the gold label, and with equal weights):")
        print(table_text(found.teacher_choices.drop(columns="what")))
    calibration = calibration_tables.summary(found.calibration)
    if len(calibration):
        print("\nCalibration (error_scaled: with a temperature fitted on the selection split):")
        print(table_text(calibration[CALIBRATION]))
    if len(found.classes) and found.transitions:
        print("\nWho loses (recall by class):")
        for pair in found.transitions:
            print(f"- {found.changes_in_words(pair)}")
        sizes = found.classes.groupby("label", sort=False)["examples"].first()
        few = answer_words.few_in_words(sizes)
        if few:
            print(few)
