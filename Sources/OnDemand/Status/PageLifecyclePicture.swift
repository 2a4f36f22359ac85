/// The lifecycle picture: a day with moon, sunrise, sun and sunset.
enum PageLifecyclePicture {
    /// Shared by all pictures, because IDs are unique in a document.
    static let gradients = #"""
        <svg width="0" height="0" class="unseen" aria-hidden="true"><defs>
        <linearGradient id="sky-night" x2="0" y2="1"><stop class="night-1"/><stop class="night-2" offset="1"/>
        </linearGradient>
        <linearGradient id="sky-dawn" x2="0" y2="1"><stop class="dawn-1"/><stop class="dawn-2" offset=".5"/>
        <stop class="dawn-3" offset=".8"/></linearGradient>
        <linearGradient id="sky-day" x2="0" y2="1"><stop class="day-1"/><stop class="day-2" offset=".85"/>
        </linearGradient>
        <linearGradient id="sky-dusk" x2="0" y2="1"><stop class="dusk-1"/><stop class="dusk-2" offset=".5"/>
        <stop class="dusk-3" offset=".8"/></linearGradient>
        <radialGradient id="glow"><stop stop-color="#ffe9ad" stop-opacity=".85"/>
        <stop offset=".35" stop-color="#ffd071" stop-opacity=".4"/>
        <stop offset="1" stop-color="#ffc04d" stop-opacity="0"/>
        </radialGradient>
        </defs></svg>
        """#

    /// Its four columns match the four stages beneath it. The script moves `.sun` along the dashed path.
    static let scene = #"""
        <svg class="scene" viewBox="0 0 800 200" aria-hidden="true">
        <rect class="sky night" width="800" height="200" fill="url(#sky-night)"/>
        <rect class="sky dawn" width="800" height="200" fill="url(#sky-dawn)"/>
        <rect class="sky day" width="800" height="200" fill="url(#sky-day)"/>
        <rect class="sky dusk" width="800" height="200" fill="url(#sky-dusk)"/>
        <g class="stars"><circle cx="38" cy="96" r="1.5"/><circle cx="182" cy="36" r="1.8"/>
        <circle cx="246" cy="84" r="1.3"/><circle cx="318" cy="28" r="1.5"/><circle cx="352" cy="86" r="1.8"/>
        <circle cx="446" cy="30" r="1.3"/>
        <circle cx="588" cy="78" r="1.8"/><circle cx="541" cy="41" r="1.2"/><circle cx="660" cy="30" r="1.5"/>
        <circle cx="724" cy="88" r="1.3"/><circle cx="770" cy="42" r="1.8"/><circle cx="166" cy="112" r="1.2"/></g>
        <path class="moon" d="M112 34a26 26 0 1 0 12 38a22 22 0 0 1 -12 -38z"/>
        <path class="orbit" d="M260 190Q500 -86 740 190"/>
        <g class="sun"><circle r="74" fill="url(#glow)"/><circle class="disc" r="21"/></g>
        <path class="hill far" d="M0 152C90 134 190 138 300 152S520 160 610 148S740 134 800 146V200H0Z"/>
        <path class="hill near" d="M0 176C120 160 250 168 380 168S640 186 800 166V200H0Z"/>
        <g class="house"><path class="smoke" d="M441 118c-6 -8 6 -12 0 -20s6 -12 0 -20"/>
        <path class="wall" d="M384 141h64v31h-64z"/><path class="roof" d="M377 143l39 -26 39 26zM436 134v-14h9v20z"/>
        <path class="window" d="M392 149h13v11h-13zM427 149h13v11h-13z"/>
        <path class="door" d="M410 152h12v20h-12z"/></g>
        <g class="connected"><path d="M500 178C480 166 450 170 424 166M560 182C520 166 470 168 424 166M318 178C344 166
        380 170 408 166"/>
        <g><circle cx="500" cy="170" r="4"/><path d="M493 186a7 9 0 0 1 14 0z"/></g>
        <g><circle cx="560" cy="174" r="4"/><path d="M553 190a7 9 0 0 1 14 0z"/></g>
        <g><circle cx="318" cy="170" r="4"/><path d="M311 186a7 9 0 0 1 14 0z"/></g></g>
        </svg>
        """#
}
