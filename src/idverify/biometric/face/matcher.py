"""Two pictures of faces: the same person, and how surely?"""

from __future__ import annotations

import copy
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from idverify.biometric.calibration import CalibrationTable
from idverify.biometric.face.align import align_face
from idverify.biometric.face.detect import DetectedFace, DetectorOptions, FaceDetector, main_face, rivals
from idverify.biometric.face.embed import Embedding, FaceEmbedder
from idverify.biometric.face.quality import CaptureKind, FaceQuality, assess
from idverify.biometric.image import Image
from idverify.biometric.models import CPU, ModelRegistry, default_registry
from idverify.biometric.score import Modality, Score
from idverify.errors import BiometricError, ConfigurationError
from idverify.face_limits import NO_CHANGES, FaceLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceTemplate:
    """A face, ready to be compared. Biometric data of a person: keep it as such.

    Attributes:
        embedding: unit vector; shorter where several pictures were fused.
        model: identity of the model that made it, ``id@version``; only templates of one model compare.
        quality: overall quality of the picture, 0 … 100, or None.
    """

    embedding: Embedding = field(repr=False, compare=False)
    model: str
    quality: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceView:
    """The main face of a picture, measured but not yet embedded.

    Attributes:
        face: the main face.
        rivals: other faces of comparable size; whose picture is it, if there are any?
        crop: the aligned face.
        quality: the measures.
    """

    face: DetectedFace
    rivals: tuple[DetectedFace, ...]
    crop: Image = field(repr=False, compare=False)
    quality: FaceQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceSample:
    """Everything that was found in one picture.

    Attributes:
        face: the main face.
        rivals: other faces of comparable size; whose picture is it, if there are any?
        crop: the aligned face.
        quality: the measures.
        template: for comparing.
    """

    face: DetectedFace
    rivals: tuple[DetectedFace, ...]
    crop: Image = field(repr=False, compare=False)
    quality: FaceQuality
    template: FaceTemplate


def fuse(templates: Sequence[FaceTemplate]) -> FaceTemplate:
    """One template from several pictures of one person: the mean of their vectors, not stretched to length 1 again.

    Its score is therefore the mean of the single scores. Means of strangers' scores scatter less than single ones, so
    that the false match rate of the calibration table stays an upper bound; stretched, three frames would pass twice
    as many strangers as the table says.

    The frames must show one person: fuse what :func:`idverify.biometric.face.capture.capture` gave, or compare first.

    Args:
        templates: one or more, of one model.

    Returns:
        A template of the same model; its quality is the best of the given ones.

    Raises:
        BiometricError: none, of different models or lengths, or vectors that cancel out.
    """
    if not templates:
        raise BiometricError("there is no template to fuse")
    if len({(t.model, t.embedding.shape) for t in templates}) > 1:
        raise BiometricError("templates of different models cannot be fused; make them anew")
    vector = np.asarray(np.mean([t.embedding for t in templates], axis=0, dtype=np.float64), np.float32)
    if float(np.linalg.norm(vector)) < 0.1:
        raise BiometricError("the templates have nothing in common; they cannot be of one person")
    vector.setflags(write=False)
    known = [t.quality for t in templates if t.quality is not None]
    return FaceTemplate(embedding=Embedding(vector), model=templates[0].model, quality=max(known) if known else None)


class FaceMatcher:
    """Detection, alignment, embedding, comparison and calibration in one object. Thread-safe; share one.

    Nothing is loaded before the first picture, or :meth:`warm_up`.
    """

    def __init__(
        self,
        registry: ModelRegistry | None = None,
        *,
        model: str | None = None,
        detector: str | None = None,
        options: DetectorOptions | None = None,
        threads: int | None = None,
        providers: Sequence[str] = CPU,
        mirror: Collection[CaptureKind] = (CaptureKind.PORTRAIT,),
        limits: FaceLimits = NO_CHANGES,
    ) -> None:
        """Chooses the models.

        Args:
            registry: where models come from; that of the package where None.
            model: embedding model by id; the registry's default where None.
            detector: detection model by id; the registry's default where None.
            options: how to look for faces.
            threads: threads of one inference, see :func:`idverify.biometric.runtime.thread_count`.
            providers: onnxruntime's execution providers.
            mirror: kinds of pictures whose mirror image is embedded as well, for the mean of both: a little more
                accurate, twice the time of the embedding. Templates made with and without it compare with each other;
                the calibration table was measured with portraits mirrored and live pictures not.
            limits: limits of the quality's measures that differ from the library's.

        Raises:
            ConfigurationError: there is no such model.
            ModelError: the registry's manifest is missing or malformed.
        """
        self._registry = registry if registry is not None else default_registry()
        self._card = self._registry.card(model) if model else self._registry.default("face-embedding")
        self._detector_card = self._registry.card(detector) if detector else self._registry.default("face-detection")
        if self._card.task != "face-embedding" or self._detector_card.task != "face-detection":
            raise ConfigurationError(f"{self._card.id} and {self._detector_card.id} are not embedding and detector")
        self._options, self._threads, self._providers = options, threads, tuple(providers)
        self._mirror, self._limits = frozenset(mirror), limits
        self._lock = threading.Lock()
        self._loaded: list[tuple[FaceDetector, FaceEmbedder, CalibrationTable | None]] = []

    @property
    def model(self) -> str:
        """Identity of the embedding model, ``id@version``."""
        return self._card.identity

    @property
    def calibration(self) -> CalibrationTable | None:
        """The measured table of score against FMR, or None.

        Raises:
            ModelError: the table is malformed or of another model.
        """
        return self._loaded[0][2] if self._loaded else self._registry.calibration(self._card.id)

    @property
    def limits(self) -> FaceLimits:
        """Limits of the quality's measures that differ from the library's."""
        return self._limits

    def with_limits(self, limits: FaceLimits) -> FaceMatcher:
        """The same matcher, models and all, that judges pictures by other limits: a policy's, say."""
        other = copy.copy(self)
        other._limits = limits
        return other

    def threshold(self, fmr: float) -> float:
        """The score from which comparisons of different people pass at most at rate ``fmr``.

        Raises:
            ConfigurationError: the model has no table, or the rate is outside what was measured.
        """
        table = self.calibration
        if table is None:
            raise ConfigurationError(f"{self.model} has no calibration table; measure one")
        return table.threshold(fmr)

    def warm_up(self) -> None:
        """Loads and verifies the models and runs each once, so that the first person does not wait.

        Raises:
            ModelError: a model is missing or altered.
        """
        detector, embedder, _ = self._load()
        detector.detect(Image(np.zeros((480, 640, 3), np.uint8)))
        width, height = self._card.input_size
        embedder.embed([Image(np.full((height, width, 3), 128, np.uint8))])

    def detect(self, image: Image) -> tuple[DetectedFace, ...]:
        """All faces of a picture, the most confident first; none is an empty tuple."""
        return self._load()[0].detect(image)

    def analyse(self, image: Image, *, kind: CaptureKind = CaptureKind.LIVE) -> FaceSample:
        """Finds the main face, measures it and makes its template.

        Args:
            image: the picture, live or from the chip.
            kind: whose quality limits apply.

        Raises:
            NoFaceError: no face was found.
            BiometricError: the face cannot be aligned.
            ModelError: a model is missing, altered or failed.
        """
        return self.embed([self.inspect(image, kind=kind)])[0]

    def inspect(self, image: Image, *, kind: CaptureKind = CaptureKind.LIVE) -> FaceView:
        """Finds and measures the main face, without the costly template; raises as :meth:`analyse`."""
        detector, _, _ = self._load()
        faces = detector.detect(image)
        found = main_face(faces, image)
        others = rivals(faces, found)
        # A chip's portrait is upright by ISO/IEC 19794-5: a second look only where the first sees it lean.
        upright = kind is CaptureKind.PORTRAIT and found.lean < detector.options.level / 2
        face = found if upright else detector.straighten(image, found)
        crop = align_face(image, face.landmarks, side=self._card.input_size[0], crop_scale=self._card.crop_scale)
        quality = assess(image, face, crop, rivals=len(others), kind=kind, limits=self._limits)
        return FaceView(face=face, rivals=others, crop=crop, quality=quality)

    def embed(self, views: Sequence[FaceView]) -> tuple[FaceSample, ...]:
        """A sample with its template for each inspected picture.

        Raises:
            ModelError: the model is missing, altered or failed.
        """
        _, embedder, _ = self._load()
        vectors = [embedder.embed([view.crop], mirror=view.quality.kind in self._mirror)[0] for view in views]
        return tuple(
            FaceSample(
                face=view.face,
                rivals=view.rivals,
                crop=view.crop,
                quality=view.quality,
                template=FaceTemplate(embedding=vector, model=self.model, quality=float(view.quality.scalar)),
            )
            for view, vector in zip(views, vectors, strict=True)
        )

    def template(self, image: Image, *, kind: CaptureKind = CaptureKind.LIVE) -> FaceTemplate:
        """The template of the main face; raises as :meth:`analyse`."""
        return self.analyse(image, kind=kind).template

    def compare(self, probe: FaceTemplate, reference: FaceTemplate) -> Score:
        """Cosine similarity of two templates, with its false match rate.

        Raises:
            BiometricError: the templates are of different models, or not of this matcher's.
        """
        if not probe.model == reference.model == self.model:
            raise BiometricError(
                f"templates of {probe.model} and {reference.model} cannot be compared by {self.model}; make them anew"
            )
        if probe.embedding.shape != reference.embedding.shape:
            raise BiometricError("the templates are of different lengths")
        value = float(np.clip(np.dot(probe.embedding, reference.embedding), -1.0, 1.0))
        table = self.calibration
        return Score(
            value=value,
            model=self.model,
            fmr=table.fmr(value) if table else None,
            fmr_bounds=table.bounds(value) if table else None,
            calibration=table.id if table else None,
            modality=Modality.FACE,
        )

    def _load(self) -> tuple[FaceDetector, FaceEmbedder, CalibrationTable | None]:
        if not self._loaded:
            with self._lock:
                if not self._loaded:
                    registry, threads, providers = self._registry, self._threads, self._providers
                    detector = registry.session(self._detector_card.id, threads=threads, providers=providers)
                    embedder = registry.session(self._card.id, threads=threads, providers=providers)
                    self._loaded.append(
                        (
                            FaceDetector(detector, self._options),
                            FaceEmbedder(embedder, self._card),
                            self._registry.calibration(self._card.id),
                        )
                    )
        return self._loaded[0]
