from importlib.metadata import version

from matplotlib.figure import Figure

from keras_vae.cli.run_folder import environment, next_name, save_figures


def test_names_are_numbered_when_taken(tmp_path):
    assert next_name(tmp_path / "missing", "a") == "a"
    for expected in ("a", "a-2", "a-3"):
        assert next_name(tmp_path, "a") == expected
        (tmp_path / expected).mkdir()


def test_environment_tells_versions_and_device():
    found = environment()
    assert found["packages"]["tensorflow"] == version("tensorflow")
    assert found["device"].startswith(("CPU", "GPU"))


def test_figures_are_png_files(tmp_path):
    save_figures(tmp_path / "figures", {"a": Figure()})
    assert (tmp_path / "figures" / "a.png").read_bytes().startswith(b"\x89PNG")
