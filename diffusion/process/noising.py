"""The noising process, and how other parametrisations map onto it exactly.

Convention: variance preserving, by an angle phi in [0, pi/2] (0 is data, pi/2 is noise):

    x = cos(phi) z + sin(phi) n,     v = cos(phi) n - sin(phi) z

with data z (unit variance) and standard normal noise n (Salimans and Ho 2022, "Progressive distillation", appendix D).
A network that knows v at every phi serves every sampler of these families: the cumulative alphas of a diffusion
schedule are cos(phi)^2, and a state of rectified flow (1 - sigma) z + sigma n is a multiple of x.
"""

import torch


def noisy(z: torch.Tensor, noise: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    """State x at angle phi (batch,); all others (batch, channel, position)."""
    phi = phi[:, None, None]
    return phi.cos() * z + phi.sin() * noise


def velocity(z: torch.Tensor, noise: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    """Target v of the network; shapes as in `noisy`."""
    phi = phi[:, None, None]
    return phi.cos() * noise - phi.sin() * z


def data_of(x: torch.Tensor, v: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    """Data z that a state and its v imply."""
    phi = phi[:, None, None]
    return phi.cos() * x - phi.sin() * v


def noise_of(x: torch.Tensor, v: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    """Noise n that a state and its v imply."""
    phi = phi[:, None, None]
    return phi.sin() * x + phi.cos() * v


def phi_of_alpha_bar(alpha_bar: torch.Tensor) -> torch.Tensor:
    """Angle of a schedule's cumulative alpha, cos(phi)^2; float64 inside, since it is steep at both ends."""
    alpha_bar = alpha_bar.to(torch.float64).clamp(0.0, 1.0)
    return torch.atan2((1 - alpha_bar).sqrt(), alpha_bar.sqrt()).float()


def phi_of_sigma(sigma: torch.Tensor) -> torch.Tensor:
    """Angle of a rectified-flow state (1 - sigma) z + sigma n."""
    sigma = sigma.to(torch.float64)
    return torch.atan2(sigma, 1 - sigma).float()


def flow_input(x_flow: torch.Tensor, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The state of this process, and its angle, behind a rectified-flow state; sigma (batch,)."""
    length = torch.sqrt((1 - sigma) ** 2 + sigma**2)
    return x_flow / length[:, None, None], phi_of_sigma(sigma)


def flow_velocity(v: torch.Tensor, x: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    """Velocity n - z of rectified flow from the network's v at state x."""
    return noise_of(x, v, phi) - data_of(x, v, phi)
