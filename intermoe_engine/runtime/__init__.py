# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the four graphs of a bundle: ONNX sessions, text encoding, noise, sampling."""
