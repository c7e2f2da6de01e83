"""The StarK study: an order of runs, not a loss."""

from dataclasses import dataclass, field

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput
from sparsekd.runs.records import Plan, Recipe, Step
from sparsekd.studies import recipes
from sparsekd.system.wording import counted
from sparsekd.tasks.demo import DEMO_CHECKPOINT


@dataclass(frozen=True)
class StudySpec:
    """A request for a StarK study: one teacher, one method, one mask, several seeds.

    `finetuned` is a teacher that exists already, instead of fine-tuning `checkpoint`.
    """

    task: str
    checkpoint: str
    teacher: TrainParams = field(default_factory=TrainParams)
    train: TrainParams = field(default_factory=TrainParams)
    student: StudentParams = field(default_factory=StudentParams)
    method: str = "vanilla"
    method_params: MethodParams = field(default_factory=VanillaParams)
    score: ScoreParams = field(default_factory=ScoreParams)
    mask: MaskParams = field(default_factory=MaskParams)
    seeds: tuple[int, ...] = (0,)
    finetuned: Recipe | None = None


def demo(task: str = "demo/sentiment", seeds: tuple[int, ...] = (0,)) -> StudySpec:
    """Return the study of a built-in task, which takes minutes."""
    teacher, train, student = recipes.defaults(DEMO_CHECKPOINT)
    return StudySpec(task, DEMO_CHECKPOINT, teacher, train, student, seeds=seeds)


def plan(spec: StudySpec) -> Plan:
    """Return the teacher, then for each seed trial student, scores, sparse teacher and students.

    Every student has the same initialisation, data, budget and number of attempts: one. λ and the
    sparsity are given, so the reported data chooses nothing.

    Raises:
        BadInput: no seeds, or a sparsity of 1.

    Source: Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923.
    """
    if not spec.seeds:
        raise BadInput("A study needs at least one seed.", "Give --seeds 1 or more.")
    teacher = spec.finetuned or recipes.finetune(spec.task, spec.checkpoint, spec.teacher)
    steps = [Step("teacher", teacher)]
    for seed in spec.seeds:
        steps += _seed_steps(spec, teacher.run_id, seed)
    mask = f"λ {spec.mask.lam:g} · sparsity {spec.mask.sparsity:g}"
    title = f"{spec.task} · {mask} · {counted(len(spec.seeds), 'seed')}"
    return Plan(title, spec.task, tuple(steps))


def _seed_steps(spec: StudySpec, teacher: str, seed: int) -> list[Step]:
    length = spec.train.max_length

    def student_of(source: str, method: str, params: MethodParams) -> Recipe:
        return recipes.distil(
            spec.task, method, source, spec.train, params, spec.student, teacher, seed
        )

    def pruned(kind: str) -> Recipe:
        params = spec.mask.model_copy(update={"kind": kind})
        return recipes.prune(spec.task, teacher, scores.run_id, params, length, seed)

    plain = student_of(teacher, "fine_tuning", FineTuningParams())
    trial = student_of(teacher, spec.method, spec.method_params)
    scores = recipes.score(spec.task, teacher, trial.run_id, spec.score, length)
    sparse, random = pruned("scores"), pruned("random")
    return [
        Step("plain_student", plain),
        Step("trial_student", trial),
        Step("scores", scores),
        Step("sparse_teacher", sparse),
        Step("student", student_of(sparse.run_id, spec.method, spec.method_params)),
        Step("random_mask_teacher", random),
        Step("random_mask_student", student_of(random.run_id, spec.method, spec.method_params)),
    ]
