# SPDX-License-Identifier: GPL-3.0-or-later
"""From a trained run to a bundle: ONNX graphs, reduced weights, parity checks and the bundle file."""
