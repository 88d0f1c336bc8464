"""Clothes and faces in pairs: what is dyed, and what captions say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from data_writers import source_of, write_clothes

from mim_tf.config_files import parse_config
from mim_tf.data.regions import caption_of
from mim_tf.data.sets import celeba, celeba_pairs, celeba_regions
from mim_tf.data.sets.celeba_captions import ATTRIBUTES
from mim_tf.data.sets.celeba_teacher import Teacher
from mim_tf.data.sets.folder_captions import OBJECT, describe_object
from mim_tf.data.sets.folder_pairs import regions_of
from mim_tf.errors import UserError
from mim_tf.pictures.colours import SHOP_COLOURS
from mim_tf.pictures.people import PersonModel


@pytest.fixture(scope="module")
def clothes(tmp_path_factory):
    return source_of(
        "folder", write_clothes(tmp_path_factory.mktemp("clothes"), 4), recoloured=True
    )


def test_on_white_all_else_is_the_object(clothes):
    picture = clothes.picture(0, 80)
    regions = clothes.regions(0, picture)
    assert np.array_equal(regions.labels > 0, (picture < 235).any(axis=-1))
    assert regions.colours[OBJECT] in SHOP_COLOURS and regions.parts == (OBJECT,)


def test_who_wears_it_is_left_out():
    rng = np.random.default_rng(0)
    picture = np.full((96, 96, 3), 255, np.uint8)

    def fill(rows, columns, colour):
        shape = picture[rows, columns].shape
        picture[rows, columns] = np.clip(rng.normal(colour, 6, shape), 0, 255)

    fill(slice(6, 26), slice(38, 58), (224, 172, 140))  # a face
    fill(slice(30, 70), slice(14, 22), (224, 172, 140))  # arms
    fill(slice(30, 70), slice(74, 82), (224, 172, 140))
    fill(slice(26, 90), slice(22, 74), (40, 70, 150))  # a blue shirt
    labels = regions_of(picture).labels > 0
    assert labels[26:90, 22:74].mean() > 0.98
    assert labels[6:25, 38:58].mean() < 0.05 and labels[32:68, 14:21].mean() < 0.05


def test_captions_of_objects_name_the_colour_and_the_thing():
    rng = np.random.default_rng(0)
    for _ in range(50):
        words = describe_object(rng, "t-shirt", "navy blue")
        speaking = [word for word, part in words if part == OBJECT]
        assert set(speaking) <= {"t", "shirt", "navy", "blue"} and {"shirt", "navy"} <= set(
            speaking
        )
    assert caption_of(describe_object(np.random.default_rng(1), "jeans", "red")).split()[-1]


@pytest.fixture(scope="module")
def face():
    """A drawn face where CelebA has its own, and where hair and lips are."""
    rng, size = np.random.default_rng(0), 96
    picture = rng.normal((70, 110, 170), 6, (size, size, 3))
    hair, skin, lips = (np.zeros((size, size), np.uint8) for _ in range(3))
    cv2.ellipse(hair, (48, 44), (36, 40), 0, 0, 360, 1, -1)
    cv2.ellipse(skin, (48, 58), (22, 30), 0, 0, 360, 1, -1)
    cv2.ellipse(lips, (48, 72), (9, 4), 0, 0, 360, 1, -1)
    for mask, colour in ((hair, (60, 42, 30)), (skin, (222, 178, 150)), (lips, (190, 90, 95))):
        picture[mask > 0] = rng.normal(colour, 5, (int(mask.sum()), 3))
    person = cv2.GaussianBlur(np.maximum(hair, skin).astype(np.float32), (0, 0), 1)
    return np.clip(picture, 0, 255).astype(np.uint8), (hair > 0) & (skin == 0), lips > 0, person


def overlap(a, b) -> float:
    return (a & b).sum() / (a | b).sum()


def test_hair_and_lips_are_found(face):
    picture, hair, lips, person = face
    attributes = {name: name == "Brown_Hair" for name in ATTRIBUTES}
    regions = celeba_regions.regions_of(picture, attributes, person)
    assert overlap(regions.labels == 1, hair) > 0.8
    assert overlap(regions.labels == 2, lips) > 0.5
    assert regions.colours == {"hair": "brown"}


def test_under_a_hat_no_hair_is_dyed(face):
    attributes = {name: name == "Wearing_Hat" for name in ATTRIBUTES}
    regions = celeba_regions.regions_of(face[0], attributes, face[3])
    assert not (regions.labels == 1).any() and (regions.labels == 2).any()


def test_hair_does_not_reach_beyond_the_person(face):
    picture, _, _, person = face
    attributes = {name: name == "Brown_Hair" for name in ATTRIBUTES}
    person = np.where(np.arange(96)[None] < 30, 0, person).astype(np.float32)
    regions = celeba_regions.regions_of(picture, attributes, person)
    assert not (regions.labels[:, :30] == 1).any() and (regions.labels[:, 30:] == 1).any()


def test_without_a_person_no_hair_is_dyed(face):
    attributes = {name: name == "Brown_Hair" for name in ATTRIBUTES}
    regions = celeba_regions.regions_of(face[0], attributes, np.zeros_like(face[3]))
    assert not (regions.labels == 1).any()


def test_a_teacher_finds_hair_and_lips(face):
    picture, hair, lips, person = face
    attributes = {name: name == "Brown_Hair" for name in ATTRIBUTES}
    regions = celeba_regions.regions_of(picture, attributes, person, Teacher("faces-128"))
    assert overlap(regions.labels == 1, hair) > 0.7
    assert overlap(regions.labels == 2, lips) > 0.7
    assert regions.colours == {"hair": "brown"}


def test_hair_by_a_teacher_keeps_within_the_person_and_off_hats(face):
    picture, _, _, person = face
    alpha = {"hair": np.full((96, 96), 0.7), "lips": np.full((96, 96), 0.7)}  # no lips for sure
    bare = dict.fromkeys(ATTRIBUTES, False)
    regions = celeba_regions.regions_of(picture, bare, person, lambda picture: alpha)
    np.testing.assert_array_equal(regions.labels == 1, person > 0.5)
    hat = bare | {"Wearing_Hat": True}
    regions = celeba_regions.regions_of(picture, hat, person, lambda picture: alpha)
    assert not regions.labels.any()


def test_faces_are_told_by_the_teacher_of_the_options(face, tmp_path):
    picture, _, _, person = face
    attributes = {"1": dict.fromkeys(ATTRIBUTES, False)}
    found = {}
    for teacher in (None, "faces-128"):
        options = celeba.Options(source="celeba", root=tmp_path, teacher=teacher)
        source = celeba.CelebaSource(options, "train", ids=("1",))
        source.__dict__ |= {"_attributes": attributes, "_person": lambda picture: person}
        found[teacher] = source.regions(0, picture).labels
    taught = celeba_regions.regions_of(picture, attributes["1"], person, Teacher("faces-128"))
    np.testing.assert_array_equal(found["faces-128"], taught.labels)
    assert (found["faces-128"] != found[None]).any()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("faces-7", r"data\.teacher: no preset faces-7, and no folder of that name"),
        ("birds-64", r"data\.teacher: .*birds-64 does not know the word hair; give a model of"),
    ],
)
def test_what_cannot_teach_is_told(model, message):
    with pytest.raises(UserError, match=message):
        Teacher(model)


def test_a_teacher_without_its_files_is_told_how_to_make_them(tmp_path):
    (tmp_path / "generator.weights.h5").write_bytes(b"weights")
    with pytest.raises(UserError, match=r"data\.teacher: .* has no LiteRT files; make them"):
        Teacher(str(tmp_path))


def test_recoloured_faces_need_the_model_of_people(tmp_path):
    tree = {"data": {"source": "celeba", "root": tmp_path, "recoloured": True}}
    with pytest.raises(UserError, match=r"person_model: selfie_segmentation\.tflite of the npm"):
        parse_config(tree, "test")
    with pytest.raises(UserError, match="no file"):
        PersonModel(tmp_path / "none.tflite")
    (tmp_path / "other.tflite").write_bytes(b"nothing")
    with pytest.raises(UserError, match="another file"):
        PersonModel(tmp_path / "other.tflite")


def test_captions_of_faces_say_each_colour_of_its_part():
    rng = np.random.default_rng(0)
    for _ in range(100):
        parts = celeba_pairs.draw_asked(rng, celeba_pairs.PARTS)
        colours = {part: {"hair": "blond", "lips": "pink"}[part] for part in parts}
        words = celeba_pairs.describe(rng, male=False, colours=colours)
        said = {word: part for word, part in words if part is not None}
        for part in parts:
            of_part = {word for word, of in said.items() if of == part}
            colour, thing = sorted(of_part, key=lambda word: word in ("hair", "lipstick", "lips"))
            assert colour in {"hair": ("blond", "blonde"), "lips": ("pink",)}[part]
            assert thing in {"hair": ("hair",), "lips": ("lipstick", "lips")}[part]
        assert set(said.values()) == set(parts)
        assert "man" not in caption_of(words).split()
