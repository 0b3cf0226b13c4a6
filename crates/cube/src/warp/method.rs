//! The resampling methods and the storage types of their results.

use crate::dtype::DType;

/// How a target pixel comes from source pixels. Names and meaning are those of `resample_spatial` in openEO
/// and of `gdalwarp -r`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Near,
    Bilinear,
    Cubic,
    CubicSpline,
    Lanczos,
    Average,
    Mode,
    Max,
    Min,
    Med,
    Q1,
    Q3,
    Sum,
    Rms,
}

impl Method {
    /// All methods, in the order of the openEO enumeration.
    pub const ALL: [Method; 14] = [
        Method::Near,
        Method::Bilinear,
        Method::Cubic,
        Method::CubicSpline,
        Method::Lanczos,
        Method::Average,
        Method::Mode,
        Method::Max,
        Method::Min,
        Method::Med,
        Method::Q1,
        Method::Q3,
        Method::Sum,
        Method::Rms,
    ];

    /// Name in openEO.
    pub fn name(self) -> &'static str {
        match self {
            Method::Near => "near",
            Method::Bilinear => "bilinear",
            Method::Cubic => "cubic",
            Method::CubicSpline => "cubicspline",
            Method::Lanczos => "lanczos",
            Method::Average => "average",
            Method::Mode => "mode",
            Method::Max => "max",
            Method::Min => "min",
            Method::Med => "med",
            Method::Q1 => "q1",
            Method::Q3 => "q3",
            Method::Sum => "sum",
            Method::Rms => "rms",
        }
    }

    /// The inverse of [`Method::name`].
    pub fn from_name(name: &str) -> Option<Method> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Storage type of the result. Methods that pick one of the source values keep the type; those that
    /// compute a new value give `F32` where that holds every source value (booleans, integers of up to 16
    /// bit, `F32`), else `F64`.
    pub fn dtype(self, input: DType) -> DType {
        match self {
            Method::Near
            | Method::Mode
            | Method::Max
            | Method::Min
            | Method::Med
            | Method::Q1
            | Method::Q3 => input,
            Method::Bilinear
            | Method::Cubic
            | Method::CubicSpline
            | Method::Lanczos
            | Method::Average
            | Method::Sum
            | Method::Rms => match input {
                DType::F32 => DType::F32,
                small if small.size() <= 2 => DType::F32,
                _ => DType::F64,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_and_picked_values_keep_their_type() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(method));
            for dtype in DType::ALL {
                let result = method.dtype(dtype);
                assert!(result == dtype || result == DType::F32 || result == DType::F64);
                assert_eq!(method.dtype(result), result);
            }
        }
        assert_eq!(Method::from_name("nearest"), None);
        assert_eq!(Method::Max.dtype(DType::I64), DType::I64);
        assert_eq!(Method::Average.dtype(DType::U16), DType::F32);
        assert_eq!(Method::Sum.dtype(DType::I32), DType::F64);
    }
}
